/** Has the list stored when enough hits are on it, or when some have waited for long enough. */
import { Queue } from 'bullmq';
import { LIST } from './collect.js';

export const QUEUE = 'process-logs';
const THRESHOLD = 500;
// 20 s and 60 s in the original: here both sides of the bench wait for as long.
const SECONDS = Number(process.env.BATCH_SECONDS);

export function startScheduler(connection, redis) {
  const queue = new Queue(QUEUE, { connection });
  let last = Date.now();
  setInterval(async () => {
    const batchSize = await redis.llen(LIST);
    const waited = Date.now() - last >= SECONDS * 1000;
    if (batchSize > THRESHOLD || (batchSize > 0 && waited)) {
      last = Date.now();
      await queue.add('batch', { batchSize }, { removeOnComplete: true, removeOnFail: true });
    }
  }, SECONDS * 1000);
}
