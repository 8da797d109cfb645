import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import type { EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { ProviderRequest } from '@posthorn/providers/provider-request.js';
import type { ProviderEvent } from '@posthorn/providers/provider.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import type { Appended, IntakeRequest } from '../clients/append.client.js';
import { REPORTS_PER_CALL_MAX, type ShapeClient, type ShapeReport } from '../clients/shape.client.js';
import { shapeOfForm, shapeOfJson, type BodyShape } from '../domain/body-shape.js';
import { logText } from '../domain/log-text.js';
import { ShapeLedger, type ShapeWindow } from '../domain/shape-ledger.js';

const FLUSH_INTERVAL_MS = 5_000;
/** How often a kind that has nothing new is told of. */
const COUNTS_INTERVAL_MS = 60_000;
/** Bodies that wait to be looked at; what comes while there are as many is not looked at. */
const WAITING_MAX = 32;
const KINDS_MAX = 2_000;
const KINDS_PER_TENANT_MAX = 200;
/** A kind that did not come for so long is learned anew. */
const IDLE_MS = 3_600_000;
/** Reports that could not be handed over and are tried again; older ones go. */
const UNSENT_MAX = 512;
const KIND_LENGTH_MAX = 128;

/** A request whose events are in the log. */
export interface StoredRequest {
  readonly tenant: Pick<EdgeTenant, 'id' | 'uuid'>;
  readonly provider: string;
  readonly request: ProviderRequest;
  readonly events: readonly ProviderEvent[];
  /** As it went into the log; its events in the order of `events`. */
  readonly sealed: Pick<IntakeRequest, 'receivedAtMs'> & {
    readonly events: readonly Pick<IntakeRequest['events'][number], 'eventId'>[];
  };
  readonly appended: Appended;
}

interface Kind {
  readonly tenantId: string;
  readonly tenantUuid: Buffer;
  readonly provider: string;
  readonly kind: string;
  readonly ledger: ShapeLedger;
  toldAtMs: number;
}
interface Sampled {
  readonly stored: StoredRequest;
  readonly kinds: ReadonlySet<Kind>;
}

/**
 * Learns of what fields the bodies are that are understood, and tells the event log what is new of them.
 * The provider's answer never waits for it: bodies are looked at afterwards, one a turn of the event loop, and those
 * that are too many are not.
 */
export class WatchShapes {
  private readonly kinds = new Map<string, Kind>();
  private readonly kindsOfTenant = new Map<string, number>();
  private readonly waiting: Sampled[] = [];
  private unsent: ShapeReport[] = [];
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  private readonly samples;

  constructor(
    private readonly client: Pick<ShapeClient, 'report'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    metrics: Metrics,
  ) {
    this.samples = metrics.counter({
      name: 'posthorn_intake_shape_samples_total',
      help: 'Bodies whose fields were looked at, or were not: too many waited, or it failed',
      labels: ['outcome'],
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.flushing ??= this.flush(false).finally(() => (this.flushing = undefined));
    }, FLUSH_INTERVAL_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flushing;
    while (this.waiting.length > 0) this.look();
    await this.flush(true);
  }

  /** Repetitions and what is not understood say nothing of a kind's shape. */
  offer(stored: StoredRequest): void {
    if (stored.appended.eventsDuplicate > 0) return;
    const kinds = new Set<Kind>();
    for (const event of stored.events) {
      const kind = event.type === 'event.unrecognized' ? undefined : this.kindOf(stored, event);
      if (kind !== undefined) kinds.add(kind);
    }
    for (const kind of kinds) if (!kind.ledger.isSampled(stored.sealed.receivedAtMs)) kinds.delete(kind);
    if (kinds.size === 0) return;
    if (this.waiting.length >= WAITING_MAX) return this.samples.inc({ outcome: 'skipped' });
    this.waiting.push({ stored, kinds });
    if (this.waiting.length === 1) setImmediate(() => this.lookOn());
  }

  private kindOf({ tenant, provider, sealed }: StoredRequest, event: ProviderEvent): Kind | undefined {
    const kind = nameOfKind(event);
    const key = `${tenant.id} ${provider} ${kind}`;
    let known = this.kinds.get(key);
    if (known !== undefined) return known;
    const ofTenant = this.kindsOfTenant.get(tenant.id) ?? 0;
    if (this.kinds.size >= KINDS_MAX || ofTenant >= KINDS_PER_TENANT_MAX) return undefined;
    this.kindsOfTenant.set(tenant.id, ofTenant + 1);
    known = {
      ...{ tenantId: tenant.id, tenantUuid: tenant.uuid, provider, kind },
      ...{ ledger: new ShapeLedger(sealed.receivedAtMs), toldAtMs: this.clock.nowMs() },
    };
    this.kinds.set(key, known);
    return known;
  }

  private lookOn(): void {
    if (this.waiting.length === 0) return;
    this.look();
    if (this.waiting.length > 0) setImmediate(() => this.lookOn());
  }

  /** Never throws: nobody waits for it, so what a body does to it would end the process. */
  private look(): void {
    const { stored, kinds } = this.waiting.shift()!;
    try {
      this.learn(stored, kinds);
    } catch (err) {
      this.samples.inc({ outcome: 'failed' });
      this.log.warn({ stage: 'shapes', err }, 'a body could not be looked at');
    }
  }

  private learn(stored: StoredRequest, kinds: ReadonlySet<Kind>): void {
    const { events, sealed } = stored;
    const shapes = shapesOf(stored);
    if (shapes === undefined) return;
    this.samples.inc({ outcome: 'taken' });
    for (const kind of kinds) {
      const at = events.findIndex((event) => isOfKind(event, kind));
      kind.ledger.add({
        shape: shapes(at),
        atMs: sealed.receivedAtMs,
        eventId: sealed.events[at]!.eventId,
      });
    }
  }

  /** @param isLast what has nothing new is told, too. Never rejects. */
  private async flush(isLast: boolean): Promise<void> {
    const nowMs = this.clock.nowMs();
    for (const [key, kind] of this.kinds) {
      const { ledger } = kind;
      if (isLast || ledger.isUrgent || nowMs - kind.toldAtMs >= COUNTS_INTERVAL_MS) {
        const window = ledger.take();
        kind.toldAtMs = nowMs;
        if (window !== undefined) this.unsent.push(reportOf(kind, window, newUuid(nowMs)));
      }
      if (nowMs - ledger.lastAtMs >= IDLE_MS) this.forget(key, kind);
    }
    if (this.unsent.length > UNSENT_MAX) this.unsent = this.unsent.slice(-UNSENT_MAX);
    await this.send();
  }

  private forget(key: string, { tenantId }: Kind): void {
    this.kinds.delete(key);
    const left = (this.kindsOfTenant.get(tenantId) ?? 1) - 1;
    if (left > 0) this.kindsOfTenant.set(tenantId, left);
    else this.kindsOfTenant.delete(tenantId);
  }

  private async send(): Promise<void> {
    while (this.unsent.length > 0) {
      const some = this.unsent.slice(0, REPORTS_PER_CALL_MAX);
      try {
        await this.client.report(some);
      } catch (error) {
        this.log.warn({ stage: 'shapes', err: error, count: some.length }, 'shapes could not be reported');
        if (error instanceof AppError && error.entry.retryable) return;
      }
      this.unsent.splice(0, some.length);
    }
  }
}

const nameOfKind = ({ providerType, type }: ProviderEvent): string =>
  logText(providerType).slice(0, KIND_LENGTH_MAX) || type;

const isOfKind = (event: ProviderEvent, { kind }: Kind): boolean =>
  event.type !== 'event.unrecognized' && nameOfKind(event) === kind;

/**
 * The shape of each event's part of a body, by the event's place: of a list its element, else the whole.
 * Undefined for a body of which it cannot be said whose field is whose.
 */
function shapesOf({ request, events }: StoredRequest): ((at: number) => BodyShape) | undefined {
  const json = request.body.length === 0 ? undefined : request.json();
  if (json?.isJson === true && Array.isArray(json.value)) {
    const list = json.value as unknown[];
    return list.length === events.length ? (at) => shapeOfJson(list[at]) : undefined;
  }
  if (new Set(events.map(nameOfKind)).size > 1) return undefined;
  if (json?.isJson === true) return () => shapeOfJson(json.value);
  const parts = request.multipart();
  if (parts !== undefined) {
    const files = new Set(parts.filter(({ fileName }) => fileName !== undefined).map(({ name }) => name));
    return () =>
      shapeOfForm(
        parts.map(({ name }) => name),
        (name) => files.has(name),
      );
  }
  const form = request.body.length === 0 ? request.query() : request.form();
  return form === undefined ? undefined : () => shapeOfForm(form.keys());
}

function reportOf(kind: Kind, window: ShapeWindow, id: Buffer): ShapeReport {
  const { tenantUuid: tenantId, provider, kind: name } = kind;
  const { samples, firstAtMs, lastAtMs, firstEventId, fields } = window;
  return {
    ...{ id, tenantId, provider, kind: name, samples, firstAtMs, lastAtMs, firstEventId },
    fields: [...fields].map(([path, { types, ...field }]) => ({
      ...field,
      path,
      types: [...types].map(([type, seen]) => ({ type, ...seen })),
    })),
  };
}
