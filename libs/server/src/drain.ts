import { type Process } from './process.js';

/** A process that serves. */
export interface RunningService {
  /** host:port of the main port, as bound. */
  readonly address: string;
  /** host:port of /health and /metrics, as bound. */
  readonly healthAddress: string;
  /** Drains and closes, without ending the process. */
  close(): Promise<void>;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Makes close() run once, on the first SIGTERM or SIGINT, and then ends the process: 0 when all was closed
 * within the drain timeout, 1 when not.
 * @returns close() that also takes the signal handlers away.
 */
export function drainOnSignals(
  process: Pick<Process, 'health' | 'log' | 'config'>,
  close: () => Promise<void>,
  node: NodeJS.Process = globalThis.process,
): () => Promise<void> {
  let closing: Promise<void> | undefined;
  const closeOnce = (): Promise<void> => {
    process.health.setDraining();
    return (closing ??= close());
  };
  const end = (signal: NodeJS.Signals): void => {
    if (closing !== undefined) return;
    process.log.info({ signalName: signal }, 'draining');
    const late = setTimeout(() => {
      process.log.error({ durationMs: process.config.drainTimeoutMs }, 'not drained in time');
      node.exit(1);
    }, process.config.drainTimeoutMs);
    closeOnce().then(
      () => {
        clearTimeout(late);
        process.log.info({ signalName: signal }, 'stopped');
        node.exit(0);
      },
      (err: unknown) => {
        process.log.error({ err }, 'closing failed');
        node.exit(1);
      },
    );
  };
  for (const signal of SIGNALS) node.on(signal, end);
  return async () => {
    await closeOnce();
    for (const signal of SIGNALS) node.off(signal, end);
  };
}
