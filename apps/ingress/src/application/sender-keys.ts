import type { Clock } from '@posthorn/clock/clock.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { EgressClient } from '@posthorn/egress/egress-client.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { publicKeysIn } from '@posthorn/providers/json-web-token.js';
import type { ProviderSecret } from '@posthorn/providers/provider.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import { LogBudget } from '../domain/log-budget.js';
import type { SourceSettings } from './source-settings.js';

const URLS_MAX = 1_000;
/** Keys in use are fetched anew when they are older. */
const REFRESH_MS = 600_000;
/** Keys older than this do not count: their owner may have withdrawn them long ago. */
const AGE_MS_MAX = 86_400_000;
/** Between two fetches of one URL, whoever asks: anybody can name keys that nobody has. */
const COOLDOWN_MS = 30_000;
/** The same after a fetch that failed. */
const FAILURE_COOLDOWN_MS = 5_000;
const LINES_MAX = 5;
const LINES_WINDOW_MS = 10_000;

interface Entry {
  /** Stays the same object while the text does: what is decoded from it is kept by identity. */
  secret: ProviderSecret | undefined;
  fetchedAtMs: number;
  triedAtMs: number;
  fetching: Promise<void> | undefined;
}

/** The keys that senders publish: fetched before they are needed, kept, and fetched anew. */
export class SenderKeys {
  private readonly entries = new Map<string, Entry>();
  private readonly budget = new LogBudget(LINES_MAX, LINES_WINDOW_MS);
  private readonly fetches;

  constructor(
    private readonly egress: Pick<EgressClient, 'get'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    metrics: Metrics,
  ) {
    this.fetches = metrics.counter({
      name: 'posthorn_intake_key_fetches_total',
      help: 'Fetches of the keys that senders publish: fetched, failed',
      labels: ['outcome'],
    });
  }

  /** Fetches the keys of every source that comes or changes, before its first request. */
  follow(config: Pick<EdgeConfig, 'onChange' | 'source'>, settings: SourceSettings): void {
    config.onChange(({ sources }) => {
      for (const id of sources) {
        const source = config.source(id);
        if (source === undefined || PROVIDERS.get(source.provider)?.keyUrl === undefined) continue;
        const rules = settings.of(source);
        if (!(rules instanceof Error) && rules.keyUrl !== undefined)
          void this.of(rules.keyUrl).catch(() => {});
      }
    });
  }

  /**
   * The keys at a URL, from memory wherever they are there.
   * @throws AppError `service.unavailable` when there are none: the request can be judged later.
   */
  async of(url: string): Promise<ProviderSecret> {
    const entry = this.entryOf(url);
    const ageMs = this.clock.monotonicMs() - entry.fetchedAtMs;
    const hasKeys = entry.secret !== undefined && ageMs < AGE_MS_MAX;
    if (hasKeys && ageMs > REFRESH_MS && this.waitMs(entry) === 0) void this.fetch(url, entry);
    if (hasKeys) return entry.secret!;
    return this.fetched(url, entry);
  }

  /**
   * The keys as they are now, after a request that names one that is not among those known.
   * @throws AppError `service.unavailable` when they cannot be had, or were fetched just now: what the request
   * names may be newer than that.
   */
  afresh(url: string): Promise<ProviderSecret> {
    return this.fetched(url, this.entryOf(url));
  }

  private async fetched(url: string, entry: Entry): Promise<ProviderSecret> {
    const waitMs = this.waitMs(entry);
    if (entry.fetching === undefined && waitMs > 0) throw unavailable(waitMs);
    const before = entry.fetchedAtMs;
    await (entry.fetching ?? this.fetch(url, entry));
    if (entry.secret === undefined || entry.fetchedAtMs === before) throw unavailable(this.waitMs(entry));
    return entry.secret;
  }

  private waitMs({ triedAtMs, fetchedAtMs }: Entry): number {
    const cooldownMs = triedAtMs > fetchedAtMs ? FAILURE_COOLDOWN_MS : COOLDOWN_MS;
    return Math.max(0, triedAtMs + cooldownMs - this.clock.monotonicMs());
  }

  private entryOf(url: string): Entry {
    let entry = this.entries.get(url);
    if (entry !== undefined) return entry;
    // The one that came first goes; in use, it comes again.
    if (this.entries.size >= URLS_MAX) this.entries.delete(this.entries.keys().next().value!);
    entry = { secret: undefined, fetchedAtMs: -Infinity, triedAtMs: -Infinity, fetching: undefined };
    this.entries.set(url, entry);
    return entry;
  }

  /** Never rejects. */
  private fetch(url: string, entry: Entry): Promise<void> {
    entry.fetching = this.tryFetch(url, entry).finally(() => (entry.fetching = undefined));
    return entry.fetching;
  }

  private async tryFetch(url: string, entry: Entry): Promise<void> {
    try {
      const { status, bodyStart } = await this.egress.get({ url, headers: { accept: 'application/json' } });
      const value = bodyStart.toString();
      if (status !== 200) throw new AppError('egress.failed', { detail: `status ${status}` });
      if (publicKeysIn(value) === undefined)
        throw new AppError('egress.failed', { detail: 'no public keys in the answer' });
      entry.triedAtMs = entry.fetchedAtMs = this.clock.monotonicMs();
      if (entry.secret?.value !== value) entry.secret = { id: url, value };
      this.fetches.inc({ outcome: 'fetched' });
    } catch (error) {
      entry.triedAtMs = this.clock.monotonicMs();
      this.fetches.inc({ outcome: 'failed' });
      const held = this.budget.take(entry.triedAtMs);
      if (held !== undefined)
        this.log.warn({ stage: 'keys', err: error, count: held }, 'keys of a sender could not be fetched');
    }
  }
}

const unavailable = (retryAfterMs: number): AppError =>
  new AppError('service.unavailable', {
    detail: 'the keys that this sender publishes are not here',
    retryAfterMs: Math.max(1_000, retryAfterMs),
  });
