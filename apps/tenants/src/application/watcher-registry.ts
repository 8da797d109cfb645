import { type Database } from '@posthorn/postgres/database.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type Gauge, type Metrics } from '@posthorn/server/metrics.js';
import { type Watcher, type WatcherStore } from '../persistence/watcher.store.js';
import { type ConfigWake } from './config-wake.js';

/** An open stream is contact: its watcher is noted as seen this often. */
const SEEN_INTERVAL_MS = 5_000;

/** A watcher with a stream to this process. */
interface Member {
  readonly watcher: Watcher;
  /** A new stream may be there before the old one is known to be gone. */
  streams: number;
  confirmedVersion: bigint;
}

/** The watchers with a stream to this process, and what they confirmed, kept where every replica sees it. */
export class WatcherRegistry {
  private readonly members = new Map<string, Member>();
  private readonly unwritten = new Set<string>();
  private writing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly gauge: Gauge;

  constructor(
    private readonly db: Database,
    private readonly watchers: WatcherStore,
    private readonly wake: ConfigWake,
    private readonly log: Logger,
    metrics: Metrics,
  ) {
    this.gauge = metrics.gauge({
      name: 'posthorn_config_watchers',
      help: 'Watchers with a stream to this process',
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.noteAll(), SEEN_INTERVAL_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
  }

  get size(): number {
    return this.members.size;
  }

  /** From here on a change waits for this watcher. */
  async join(watcher: Watcher): Promise<void> {
    await this.watchers.register(this.db, watcher);
    const streams = (this.members.get(watcher.instanceId)?.streams ?? 0) + 1;
    this.members.set(watcher.instanceId, { watcher, streams, confirmedVersion: 0n });
    this.gauge.set(this.members.size);
  }

  /** Never fails: what cannot be written now is written with the next contact. */
  confirm(instanceId: string, version: bigint): void {
    const member = this.members.get(instanceId);
    if (member === undefined) return;
    if (version > member.confirmedVersion) member.confirmedVersion = version;
    this.unwritten.add(instanceId);
    this.write();
  }

  /**
   * The stream of a watcher ended.
   * @param isDone the watcher said that it stops. Otherwise it may go on with what it has, and counts as live
   * until it was not seen for a minute.
   */
  async leave(instanceId: string, isDone: boolean): Promise<void> {
    const member = this.members.get(instanceId);
    if (member === undefined) return;
    member.streams -= 1;
    if (member.streams > 0) return;
    this.members.delete(instanceId);
    this.gauge.set(this.members.size);
    if (!isDone) return;
    try {
      await this.writing; // which may be about to note this one once more
      await this.watchers.delete(this.db, instanceId);
      this.wake.notify();
    } catch (err) {
      this.log.warn({ err }, 'a watcher that stopped counts as live for a minute');
    }
  }

  private noteAll(): void {
    for (const instanceId of this.members.keys()) this.unwritten.add(instanceId);
    this.write();
  }

  private write(): void {
    if (this.unwritten.size > 0) this.writing ??= this.writeAll().finally(() => (this.writing = undefined));
  }

  /** What comes in during one write goes out together with the next. */
  private async writeAll(): Promise<void> {
    while (this.unwritten.size > 0) {
      const ids = [...this.unwritten];
      this.unwritten.clear();
      const members = ids.flatMap((instanceId) => this.members.get(instanceId) ?? []);
      try {
        await this.watchers.confirm(
          this.db,
          members.map(({ watcher, confirmedVersion }) => ({ ...watcher, confirmedVersion })),
        );
        this.wake.notify();
      } catch (err) {
        this.log.warn({ err, count: ids.length }, 'confirmations were not noted yet');
        for (const instanceId of ids) this.unwritten.add(instanceId);
        return;
      }
    }
  }
}
