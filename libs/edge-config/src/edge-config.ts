import type { Duplex } from 'node:stream';
import type { Clock } from '@posthorn/clock/clock.js';
import type {
  ConfigKind,
  WatchRequest,
  WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { ConfigState, type ConfigChange } from './config-state.js';
import type { EdgeDestination } from './edge-destination.js';
import type { EdgeSource } from './edge-source.js';
import type { EdgeTenant } from './edge-tenant.js';
import type { LoggerLike } from './logger-like.js';

export type { ConfigChange } from './config-state.js';
export type { EdgeDestination } from './edge-destination.js';
export type { EdgeSource } from './edge-source.js';
export type { EdgeTenant, KeywordMeaning } from './edge-tenant.js';

/** Who watches, what for; times in milliseconds. */
export interface EdgeConfigOptions {
  readonly service: string;
  readonly instanceId: string;
  readonly kinds: readonly ConfigKind[];
  /** For the service that seals consent records. */
  readonly hasRecordKeys?: boolean;
  /** A stream that is silent for so long is replaced; more than the heartbeat of tenants. */
  readonly silenceMs?: number;
  /** Keys are forgotten after so long without a word from tenants. */
  readonly keyTtlMs?: number;
}

const SILENCE_MS = 30_000;
const KEY_TTL_MS = 2 * 60 * 60 * 1000;
const CHECK_INTERVAL_MS = 1_000;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;
/** Pages of one snapshot; beyond it something is wrong. */
const SNAPSHOT_PAGES_MAX = 100_000;
const GOODBYE_MS = 1_000;

/**
 * The configuration of the edge in memory: a snapshot, then every change, each confirmed once it is applied.
 * While tenants is away everything goes on with what is known; a fresh snapshot replaces all of it.
 */
export class EdgeConfig {
  private readonly state: ConfigState;
  private readonly listeners: ((change: ConfigChange) => void)[] = [];
  private readonly keyTtlMs: number;
  private readonly silenceMs: number;
  private stream: Duplex | undefined;
  /** Pages of the snapshot under way; undefined once it is complete. */
  private pages: WatchResponse[] | undefined;
  private hasSnapshot = false;
  private currentVersion = 0n;
  private contactAtMs: number;
  /** Like contact, but a new stream has its own time to say something. */
  private heardAtMs = 0;
  private areKeysEvicted = false;
  private failures = 0;
  private isClosed = false;
  private reconnectTimer: NodeJS.Timeout | undefined;
  private checkTimer: NodeJS.Timeout | undefined;

  /** @param open starts a ConfigService.Watch stream, which emits `aged` when it should be replaced; resolves when the peer is reached. */
  constructor(
    private readonly open: () => Promise<Duplex>,
    private readonly clock: Clock,
    private readonly log: LoggerLike,
    private readonly options: EdgeConfigOptions,
  ) {
    this.keyTtlMs = options.keyTtlMs ?? KEY_TTL_MS;
    this.silenceMs = options.silenceMs ?? SILENCE_MS;
    this.contactAtMs = clock.monotonicMs();
    this.state = new ConfigState(
      () => this.contactAgeMs() < this.keyTtlMs,
      (id, error) => log.error({ cause: `${id}: ${textOf(error)}` }, 'a configuration cannot be used'),
    );
  }

  onApplicationBootstrap(): void {
    void this.connect();
    this.checkTimer = setInterval(() => this.check(), CHECK_INTERVAL_MS);
  }

  /** Resolves once tenants has heard that this watcher stops, or was given the time for it. */
  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.reconnectTimer);
    clearInterval(this.checkTimer);
    const stream = this.stream;
    if (stream === undefined || stream.destroyed) return;
    await new Promise<void>((done) => {
      const late = setTimeout(() => stream.destroy(), GOODBYE_MS);
      stream.once('close', () => {
        clearTimeout(late);
        done();
      });
      // Ended, not cut: a watcher that says goodbye is not waited for any more. The end of the process, right after,
      // would look like a cut.
      stream.end();
    });
  }

  /** Whether the first snapshot is complete. */
  get isReady(): boolean {
    return this.hasSnapshot;
  }

  /** The version of what is in memory; 0n before the first snapshot. */
  get version(): bigint {
    return this.currentVersion;
  }

  /** Milliseconds since the last word from tenants; since the start while there was none. */
  contactAgeMs(): number {
    return this.clock.monotonicMs() - this.contactAtMs;
  }

  /** Whether no command of any tenant may leave; true as long as nothing is known. */
  get isSendingPaused(): boolean {
    return !this.hasSnapshot || this.state.isSendingPaused;
  }

  /** @param id `ten_…` */
  tenant(id: string): EdgeTenant | undefined {
    return this.state.tenant(id);
  }

  /** Every tenant that is known, in no order. */
  tenants(): readonly EdgeTenant[] {
    return this.state.allTenants();
  }

  /** Whether tenants has said that it was deleted; not merely that it is not there. @param id `ten_…` */
  isDeleted(id: string): boolean {
    return this.state.isDeleted(id);
  }

  /** Every tenant that was ever deleted, `ten_…`. Known only where kind TENANTS is watched. */
  deletedTenantIds(): readonly string[] {
    return this.state.allDeleted();
  }

  tenantBySlug(slug: string): EdgeTenant | undefined {
    return this.state.tenantBySlug(slug);
  }

  /** @param id `src_…` */
  source(id: string): EdgeSource | undefined {
    return this.state.source(id);
  }

  /** @param id `dst_…` */
  destination(id: string): EdgeDestination | undefined {
    return this.state.destination(id);
  }

  /** @param tenantId `ten_…` @returns the same array as long as no destination changes. */
  destinationsOf(tenantId: string): readonly EdgeDestination[] {
    return this.state.destinationsOf(tenantId);
  }

  /** Calls back after each change with the IDs of what is new, different or gone. */
  onChange(listener: (change: ConfigChange) => void): void {
    this.listeners.push(listener);
  }

  private async connect(): Promise<void> {
    try {
      const stream = await this.open();
      if (this.isClosed) return void stream.destroy();
      this.stream = stream;
      this.pages = [];
      this.heardAtMs = this.clock.monotonicMs();
      stream.on('data', (response: WatchResponse) => this.onResponse(stream, response));
      stream.on('error', (error: Error) => this.onBroken(stream, error.message));
      stream.on('end', () => this.onBroken(stream, 'the stream ended'));
      stream.on('close', () => this.onBroken(stream, 'the stream closed'));
      // Cut, not ended: tenants still waits for this watcher, which is back in a moment with all that it missed.
      stream.once('aged', () => stream === this.stream && this.onBroken(stream, undefined));
      const { service, instanceId, kinds, hasRecordKeys } = this.options;
      const recordKeys = hasRecordKeys === true ? { recordKeys: true } : {};
      this.say({ $case: 'hello', value: { service, instanceId, kinds: [...kinds], ...recordKeys } });
    } catch (error) {
      this.reconnectLater(textOf(error));
    }
  }

  private onResponse(stream: Duplex, response: WatchResponse): void {
    if (stream !== this.stream) return;
    this.contactAtMs = this.heardAtMs = this.clock.monotonicMs();
    try {
      if (this.pages !== undefined) return this.onSnapshotPage(response);
      this.onApplied(this.state.change(response), response.version);
    } catch (error) {
      // A bug. A fresh snapshot is the way back to a known state.
      this.log.error({ cause: textOf(error) }, 'a change of the configuration was not applied');
      stream.destroy();
    }
  }

  private onSnapshotPage(page: WatchResponse): void {
    if (this.pages!.push(page) > SNAPSHOT_PAGES_MAX) throw new Error('the snapshot has too many pages');
    if (!page.snapshotComplete) return;
    const change = this.state.replace(this.pages!);
    this.pages = undefined;
    this.areKeysEvicted = false;
    this.failures = 0;
    if (!this.hasSnapshot) this.log.info({ version: String(page.version) }, 'the configuration is complete');
    this.hasSnapshot = true;
    this.currentVersion = -1n; // another database may count from anywhere
    this.onApplied(change, page.version);
  }

  /** Listeners first: a version is confirmed once it is in force. */
  private onApplied(change: ConfigChange, version: bigint): void {
    const { tenants, sources, destinations, isPlatformChanged } = change;
    if (isPlatformChanged || tenants.length + sources.length + destinations.length > 0) {
      for (const listener of this.listeners) this.tell(listener, change);
    }
    if (version === this.currentVersion) return;
    this.currentVersion = version;
    this.say({ $case: 'confirm', value: { version } });
  }

  private tell(listener: (change: ConfigChange) => void, change: ConfigChange): void {
    try {
      listener(change);
    } catch (error) {
      this.log.error({ cause: textOf(error) }, 'a listener of the configuration failed');
    }
  }

  private say(message: NonNullable<WatchRequest['message']>): void {
    const request: WatchRequest = { message };
    // After the goodbye nothing more is said: a write would break the stream, and tenants would take it for cut.
    if (!this.isClosed) this.stream?.write(request);
  }

  /** @param cause undefined when nothing is wrong. */
  private onBroken(stream: Duplex, cause: string | undefined): void {
    if (stream !== this.stream) return;
    this.stream = undefined;
    this.pages = undefined;
    stream.destroy();
    this.reconnectLater(cause);
  }

  private reconnectLater(cause: string | undefined): void {
    if (this.isClosed) return;
    if (this.failures === 0 && cause !== undefined)
      this.log.warn({ cause }, 'the watch of the configuration broke');
    const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    this.reconnectTimer = setTimeout(() => void this.connect(), ceiling * (0.5 + Math.random() / 2));
  }

  private check(): void {
    const ageMs = this.contactAgeMs();
    if (this.clock.monotonicMs() - this.heardAtMs >= this.silenceMs)
      this.stream?.destroy(new Error('tenants is silent'));
    if (ageMs < this.keyTtlMs || this.areKeysEvicted) return;
    this.areKeysEvicted = true;
    this.state.evictKeys();
    this.log.error({}, 'no word from tenants for too long: the keys are forgotten');
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
