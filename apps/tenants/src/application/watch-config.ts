import { type Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { checkKinds } from '../domain/config-kind.js';
import { type ConfigPage, emptyPage, pageFor, splitPage } from '../domain/config-page.js';
import { FieldErrors } from '../domain/field-errors.js';
import { type Watcher } from '../persistence/watcher.store.js';
import { type ConfigFeed, POLL_MS } from './config-feed.js';
import { type ConfigLoader } from './config-loader.js';
import { type ConfigWake } from './config-wake.js';
import { type WatcherRegistry } from './watcher-registry.js';

const HEARTBEAT_MS = 3_000;
const WATCHERS_MAX = 500;
const INSTANCE_ID_LENGTH_MAX = 100;

/** The far end of a stream. */
export interface PageSink {
  readonly isOpen: boolean;
  /** Whether the watcher ended the stream itself, because it stops. */
  readonly isDone: boolean;
  /** Resolves when there is room for more. */
  send(page: ConfigPage): Promise<void>;
}

/** Keeps one watcher's configuration level: a snapshot, then every change in order, and a heartbeat. */
export class WatchConfig {
  constructor(
    private readonly feed: ConfigFeed,
    private readonly loader: ConfigLoader,
    private readonly registry: WatcherRegistry,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
  ) {}

  /**
   * Runs as long as the stream is open.
   * @param caller the service that the certificate names.
   * @throws AppError `caller.forbidden`, `request.invalid`, `store.unavailable`
   */
  async run(caller: string, watcher: Watcher, sink: PageSink): Promise<void> {
    check(caller, watcher);
    if (this.registry.size >= WATCHERS_MAX)
      throw new AppError('store.overloaded', { detail: `at most ${WATCHERS_MAX} watchers` });
    // Before the snapshot: a change that commits while it is read waits for this watcher, too.
    await this.registry.join(watcher);
    try {
      await this.follow(watcher, sink, await this.sendSnapshot(watcher, sink));
    } finally {
      if (this.registry.size <= 1) this.feed.forget();
      await this.registry.leave(watcher.instanceId, sink.isDone);
    }
  }

  private async sendSnapshot({ kinds }: Watcher, sink: PageSink): Promise<bigint> {
    const version = await this.feed.head();
    for await (const page of this.loader.snapshot(kinds)) {
      if (!sink.isOpen) return version;
      await sink.send(pageFor(kinds, page));
    }
    await sink.send({ ...emptyPage(version), isSnapshotComplete: true });
    return version;
  }

  private async follow({ kinds }: Watcher, sink: PageSink, start: bigint): Promise<void> {
    let [version, sentAtMs] = [start, this.clock.monotonicMs()];
    while (sink.isOpen) {
      const generation = this.wake.generation;
      const head = await this.feed.head();
      if (head > version) {
        const change = await this.feed.next(version, head);
        for (const part of splitPage(pageFor(kinds, change), version)) await sink.send(part);
        version = change.version;
        sentAtMs = this.clock.monotonicMs();
        continue;
      }
      if (this.clock.monotonicMs() - sentAtMs >= HEARTBEAT_MS) {
        await sink.send(emptyPage(version));
        sentAtMs = this.clock.monotonicMs();
      }
      await this.wake.waitFrom(generation, POLL_MS);
    }
  }
}

function check(caller: string, { service, instanceId, kinds }: Watcher): void {
  if (service !== caller)
    throw new AppError('caller.forbidden', { detail: `${caller} may not watch as ${service}` });
  const errors = new FieldErrors();
  errors.require(
    instanceId.length > 0 && instanceId.length <= INSTANCE_ID_LENGTH_MAX,
    'instanceId',
    `1 to ${INSTANCE_ID_LENGTH_MAX} characters`,
  );
  errors.require(kinds.length > 0, 'kinds', 'at least one');
  errors.throwIfAny();
  checkKinds(caller, kinds);
}
