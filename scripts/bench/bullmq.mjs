// Adds events to BullMQ in its debounce mode, as fast as it takes them, and prints what came of it as one line of JSON.
//
//   node bullmq.mjs <redis socket> <file with one key per line> <mode> <events per bulk> <bulks in flight>
//
// mode "replace" is the debounce mode of the documentation (docs.bullmq.io/guide/jobs/deduplication): each event replaces
// the delayed job of its key. Mode "reschedule" keeps the job with its old data and only moves it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

const [socket, file, mode, bulkText, inFlightText] = process.argv.slice(2);
const bulk = Number(bulkText);
const inFlight = Number(inFlightText);
const quiet = 2 * 60 * 60 * 1000; // nothing comes due meanwhile
const modes = { replace: { replace: true }, reschedule: { reschedule: true } };
if (!modes[mode]) throw new Error(`unknown mode ${mode}`);

const keys = readFileSync(file, 'utf8').trimEnd().split('\n');

async function add(queue, keys) {
  let next = 0;
  const sender = async () => {
    while (next < keys.length) {
      const begin = next;
      next = Math.min(next + bulk, keys.length);
      const jobs = [];
      for (let i = begin; i < next; i++) {
        const id = keys[i];
        jobs.push({
          name: 'change',
          data: { key: id, sequence: i },
          opts: { delay: quiet, deduplication: { id, ttl: quiet, extend: true, ...modes[mode] } },
        });
      }
      await queue.addBulk(jobs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, sender));
}

// redisCPU is what Redis has used since its start, in seconds.
async function redisCPU(connection) {
  const info = await connection.info('cpu');
  const of = (name) => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)[1]);
  return of('used_cpu_user') + of('used_cpu_sys');
}

// Event lists are kept as short as BullMQ allows: we read none of them.
const streams = { events: { maxLen: 1 } };
const connection = new Redis({ path: socket, maxRetriesPerRequest: null });

// The first events are slower until the runtime has compiled the code.
const warm = new Queue('warm', { connection, streams });
await warm.waitUntilReady();
await add(warm, keys.slice(0, 20000));
await warm.pause();
await warm.obliterate({ force: true });

const queue = new Queue('bench', { connection, streams });
await queue.waitUntilReady();
const redisBefore = await redisCPU(connection);
const cpuBefore = process.cpuUsage();
const begin = process.hrtime.bigint();
await add(queue, keys);
const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
const cpu = process.cpuUsage(cpuBefore);
const redisCpuSeconds = (await redisCPU(connection)) - redisBefore;
const delayed = await queue.getDelayedCount();
const version = createRequire(import.meta.url)('bullmq/package.json').version;
console.log(JSON.stringify({
  seconds,
  delayed,
  version,
  node: process.version,
  redisCpuSeconds,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  peakBytes: process.resourceUsage().maxRSS * 1024,
}));
await queue.close();
await warm.close();
connection.disconnect();
