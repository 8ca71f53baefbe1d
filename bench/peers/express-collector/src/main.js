/** The collector as the project that it comes from describes itself: API, scheduler and worker in one process. */
import { createSecretKey } from 'node:crypto';
import express from 'express';
import { Redis } from 'ioredis';
import { collectRoute } from './collect.js';
import { openDatabase } from './database.js';
import { startScheduler } from './scheduler.js';
import { startWorker } from './worker.js';

const KEEP_ALIVE_MS = 100_000; // as Herald: the client must not find its connection closed

const { PORT, REDIS_URL, DATABASE_URL, API_KEY_SECRET_KEY } = process.env;
// As the documentation of each has it; tuned, what a look at the profile suggests. A string jsonwebtoken
// tries to read as a public key first, at every call.
const tuned = process.env.BENCH_TUNED === '1';
const secret = tuned ? createSecretKey(API_KEY_SECRET_KEY, 'utf8') : API_KEY_SECRET_KEY;
const redis = new Redis(REDIS_URL, { enableAutoPipelining: tuned });
// BullMQ waits for jobs by a blocking command, for which it asks not to give up.
const queueConnection = () => new Redis(REDIS_URL, { maxRetriesPerRequest: null });

await startWorker(queueConnection(), redis, await openDatabase(DATABASE_URL));
startScheduler(queueConnection(), redis);

const app = express();
app.disable('x-powered-by');
app.disable('etag'); // nobody asks for a hit's answer again
app.use(express.json());
app.use(collectRoute(redis, secret));
app.get('/health/live', (request, response) => response.json({ status: 'live' }));

const server = app.listen(Number(PORT), '127.0.0.1');
server.keepAliveTimeout = KEEP_ALIVE_MS;
process.once('SIGTERM', () => process.exit(0));
