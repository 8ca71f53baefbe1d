/** `POST /analytics/collect`: payload, then token, then onto the list; answered before anything is in MySQL. */
import { Router } from 'express';
import Joi from 'joi';
import jwt from 'jsonwebtoken';

export const LIST = 'logs';
const UNPROCESSABLE = 422;
const UNAUTHORIZED = 401;

const hit = Joi.object({
  event: Joi.string().min(1).max(255).required(),
  referrer: Joi.string().uri(),
  device: Joi.string().min(1).max(100).required(),
  ipAddress: Joi.string().ip({ version: ['ipv4', 'ipv6'] }).required(),
  metadata: Joi.object({
    browser: Joi.string().required(),
    os: Joi.string().required(),
    screenSize: Joi.string().pattern(/^\d{3,5}x\d{3,5}$/).required(),
  }).required(),
});

function validate(request, response, next) {
  const { error, value } = hit.validate(request.body);
  if (error) return response.status(UNPROCESSABLE).json({ message: error.details[0].message });
  request.hit = value;
  next();
}

/** The analytics token: a JWT whose `jti` was not revoked, which is asked of Redis. */
function authenticate(redis, secret) {
  return async (request, response, next) => {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    try {
      if (scheme !== 'Bearer') throw new Error('no bearer token');
      request.key = jwt.verify(token, secret, { algorithms: ['HS256'] });
    } catch {
      return response.status(UNAUTHORIZED).json({ message: 'Invalid token.' });
    }
    if (await redis.exists(`revoked:${request.key.jti}`)) {
      return response.status(UNAUTHORIZED).json({ message: 'The token was revoked.' });
    }
    next();
  };
}

export function collectRoute(redis, secret) {
  const router = Router();
  router.post('/analytics/collect', validate, authenticate(redis, secret), async (request, response) => {
    const { userId, appId } = request.key;
    await redis.lpush(LIST, JSON.stringify({ ...request.hit, userId, appId, at: Date.now() }));
    response.json({ message: 'Logged' });
  });
  return router;
}
