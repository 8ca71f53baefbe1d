/** Takes a batch off the list and writes it to MySQL. */
import { Worker } from 'bullmq';
import { LIST } from './collect.js';
import { QUEUE } from './scheduler.js';

const BY_APP_EVENT_DAY = `INSERT INTO event_summary (app_id, event, day, total) VALUES ?
  ON DUPLICATE KEY UPDATE total = total + VALUES(total)`;
const BY_USER = `INSERT INTO user_analytics (user_id, total, device_details, ip_address, last_at)
  VALUES ? ON DUPLICATE KEY UPDATE total = total + VALUES(total),
  device_details = VALUES(device_details), ip_address = VALUES(ip_address), last_at = VALUES(last_at)`;

export async function startWorker(connection, redis, database) {
  const worker = new Worker(QUEUE, ({ data }) => store(redis, database, data.batchSize), { connection });
  worker.on('failed', (job, error) => console.error(error));
  worker.on('error', (error) => console.error(error));
  await worker.waitUntilReady();
}

/**
 * As the original does it. `LPUSH` puts what is new at the head, and these are two calls: what is
 * pushed between them shifts the list, so that as many unread hits are cut off, and as many that
 * were read are left to be read again.
 */
async function store(redis, database, batchSize) {
  const entries = await redis.lrange(LIST, 0, batchSize - 1);
  await redis.ltrim(LIST, batchSize, -1);
  const hits = entries.map((entry) => JSON.parse(entry));
  if (!hits.length) return;
  await database.query(
    'INSERT INTO events (app_id, event, referrer, device, ip_address, metadata, at) VALUES ?',
    [hits.map((hit) => [
      hit.appId, hit.event, hit.referrer, hit.device, hit.ipAddress, JSON.stringify(hit.metadata), hit.at,
    ])],
  );
  await database.query(BY_APP_EVENT_DAY, [summaries(hits)]);
  await database.query(BY_USER, [users(hits)]);
}

function summaries(hits) {
  const totals = new Map();
  for (const { appId, event, at } of hits) {
    const day = new Date(at).toISOString().slice(0, 10);
    const key = JSON.stringify([appId, event, day]);
    totals.set(key, (totals.get(key) ?? 0) + 1);
  }
  return [...totals].map(([key, total]) => [...JSON.parse(key), total]);
}

function users(hits) {
  const byUser = new Map();
  for (const { userId, metadata, ipAddress, at } of hits) {
    const total = (byUser.get(userId)?.[1] ?? 0) + 1;
    byUser.set(userId, [userId, total, JSON.stringify(metadata), ipAddress, at]);
  }
  return [...byUser.values()];
}
