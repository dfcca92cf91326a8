// A thread that asks for the list again and again, so that what else the bench does is not in its times.
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { peer } from './coordinator-lab.js';

const to = peer(workerData);
const times = [];
let isOver = false;
parentPort.once('message', () => {
  isOver = true;
});
while (!isOver) {
  const start = performance.now();
  await to.call('GET', '/buildlet/list');
  times.push(performance.now() - start);
  await sleep(50);
}
to.close();
parentPort.postMessage(times);
