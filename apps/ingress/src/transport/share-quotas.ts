import cluster from 'node:cluster';
import { type IntakeQuotas } from '../domain/intake-quotas.js';
import { type WorkerMessage } from './worker-pool.js';

/** How late a process may hear what another one took. */
const TELL_EVERY_MS = 50;

/** In a worker: tells the others of the pool what was taken of each quota here, and hears it of them. In a process of its own it changes nothing. */
export function shareQuotas(quotas: IntakeQuotas, monotonicMs: () => number): void {
  if (!cluster.isWorker) return;
  process.on('message', (message: WorkerMessage) => {
    if (message.kind === 'taken') quotas.hear(message.taken, monotonicMs());
  });
  setInterval(() => {
    const taken = quotas.tell();
    // The primary may be about to end, and this process with it.
    if (taken.length > 0 && process.connected)
      process.send?.({ kind: 'taken', taken } satisfies WorkerMessage);
  }, TELL_EVERY_MS).unref();
}
