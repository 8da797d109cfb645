import cluster, { type Worker } from 'node:cluster';
import type { Logger } from '@posthorn/server/logger.js';
import { type Taken } from '../domain/intake-quotas.js';
import { mergedMetrics } from '../domain/merged-metrics.js';

const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 5_000;
/** A worker that lived this long starts again at once, as if nothing had been before. */
const STEADY_MS = 30_000;
const METRICS_TIMEOUT_MS = 1_000;
/** Beyond the drain of a worker: what does not end by then is ended. */
const STOP_MARGIN_MS = 2_000;

/** What primary and workers say to each other. */
export type WorkerMessage =
  | { readonly kind: 'all-metrics'; readonly id: number }
  | { readonly kind: 'own-metrics'; readonly id: number }
  | { readonly kind: 'metrics'; readonly id: number; readonly texts: readonly string[] }
  /** From one worker, for all others. */
  | { readonly kind: 'taken'; readonly taken: readonly Taken[] };

interface Collection {
  readonly asker: Worker;
  readonly askerId: number;
  readonly missing: Set<number>;
  readonly texts: string[];
  readonly timer: NodeJS.Timeout;
}

/**
 * The primary of several processes that share one port: starts them, starts them again, ends them. It takes
 * no request itself.
 */
export class WorkerPool {
  private readonly collections = new Map<number, Collection>();
  private collectionNumber = 0;
  private failures = 0;
  private isStopping = false;

  constructor(
    private readonly size: number,
    private readonly drainTimeoutMs: number,
    private readonly log: Logger,
    private readonly monotonicMs: () => number,
  ) {}

  /** @returns when every worker has ended after a signal. */
  async run(): Promise<void> {
    cluster.on('message', (worker, message: WorkerMessage) => this.onMessage(worker, message));
    for (let started = 0; started < this.size; started++) this.startWorker();
    await new Promise<void>((ended) => {
      const stop = (): void => void this.stop().then(ended);
      process.once('SIGTERM', stop);
      process.once('SIGINT', stop);
    });
  }

  private startWorker(): void {
    const startedMs = this.monotonicMs();
    const worker = cluster.fork();
    worker.on('error', (error) =>
      this.log.warn({ pid: worker.process.pid, err: error }, 'a worker has a fault'),
    );
    worker.once('exit', (code, signal) => {
      this.forget(worker);
      if (this.isStopping) return;
      this.failures = this.monotonicMs() - startedMs >= STEADY_MS ? 0 : this.failures + 1;
      const delayMs =
        Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** this.failures) * (0.5 + Math.random() / 2);
      this.log.error(
        { pid: worker.process.pid, exitCode: code, signalName: signal ?? '', delayMs },
        'a worker ended; another starts',
      );
      setTimeout(() => this.isStopping || this.startWorker(), delayMs);
    });
  }

  private async stop(): Promise<void> {
    this.isStopping = true;
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((ended) => {
            if (worker.isDead()) return ended();
            const timer = setTimeout(
              () => worker.process.kill('SIGKILL'),
              this.drainTimeoutMs + STOP_MARGIN_MS,
            );
            worker.once('exit', () => (clearTimeout(timer), ended()));
            worker.process.kill('SIGTERM');
          }),
      ),
    );
  }

  private onMessage(worker: Worker, message: WorkerMessage): void {
    if (message.kind === 'taken') this.passOn(worker, message);
    else if (message.kind === 'all-metrics') this.collect(worker, message.id);
    else if (message.kind === 'metrics') {
      const collection = this.collections.get(message.id);
      if (collection?.missing.delete(worker.id) !== true) return;
      collection.texts.push(...message.texts);
      if (collection.missing.size === 0) this.finish(message.id, collection);
    }
  }

  private passOn(from: Worker, message: WorkerMessage): void {
    for (const worker of Object.values(cluster.workers ?? {}))
      if (worker !== from && worker?.isConnected()) worker.send(message);
  }

  private collect(asker: Worker, askerId: number): void {
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker?.isConnected());
    const id = ++this.collectionNumber;
    const collection: Collection = {
      asker,
      askerId,
      missing: new Set(workers.map((worker) => worker!.id)),
      texts: [],
      timer: setTimeout(() => this.finish(id, collection), METRICS_TIMEOUT_MS),
    };
    this.collections.set(id, collection);
    for (const worker of workers) worker!.send({ kind: 'own-metrics', id } satisfies WorkerMessage);
  }

  private finish(id: number, { asker, askerId, texts, timer }: Collection): void {
    clearTimeout(timer);
    this.collections.delete(id);
    if (asker.isConnected()) asker.send({ kind: 'metrics', id: askerId, texts } satisfies WorkerMessage);
  }

  private forget(worker: Worker): void {
    for (const [id, collection] of this.collections)
      if (collection.missing.delete(worker.id) && collection.missing.size === 0) this.finish(id, collection);
  }
}

/**
 * In a worker: what a scrape of this process gets is the sum of all of them, because the port is shared and
 * nobody can choose whom he reaches. In a process of its own it changes nothing.
 */
export function shareMetrics(metrics: { text(): Promise<string> }): void {
  if (!cluster.isWorker) return;
  const own = metrics.text.bind(metrics);
  const waiting = new Map<number, (texts: readonly string[]) => void>();
  let asked = 0;
  process.on('message', (message: WorkerMessage) => {
    if (message.kind === 'own-metrics') {
      void own().then((text) =>
        process.send?.({ kind: 'metrics', id: message.id, texts: [text] } satisfies WorkerMessage),
      );
    } else if (message.kind === 'metrics') {
      waiting.get(message.id)?.(message.texts);
      waiting.delete(message.id);
    }
  });
  metrics.text = async () => {
    const id = ++asked;
    const texts = await new Promise<readonly string[]>((resolve) => {
      waiting.set(id, resolve);
      setTimeout(() => waiting.delete(id) && resolve([]), 2 * METRICS_TIMEOUT_MS).unref();
      process.send?.({ kind: 'all-metrics', id } satisfies WorkerMessage);
    });
    return mergedMetrics(texts.length === 0 ? [await own()] : texts);
  };
}
