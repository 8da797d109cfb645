import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, uuidText } from '@posthorn/clock/id.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import type { EdgeConfig, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import {
  contentTypeOf,
  MEDIA_BYTES_MAX,
  MEDIA_PER_EVENT_MAX,
  mediumRowId,
  reasonOf,
  retryDelayMs,
  type MediaLimits,
  type MediumEnd,
  type MediumName,
  type MediumState,
} from '../domain/media.js';
import { decodeContent } from '../persistence/content.codec.js';
import type { ContentRead } from '../persistence/content.read.js';
import type { ClaimedMedium, MediaStore } from '../persistence/media.store.js';
import type { MediaMetrics } from './media-metrics.js';
import type { OpenSealed } from './open-sealed.js';

const ID_BYTES = 16;
const CLAIM_MAX = 16;
/** Of one tenant in one claim: what one has much of must not be all that is fetched. */
const CLAIM_PER_TENANT_MAX = 4;
const LEASE_SECONDS_MAX = 600;
const HOLDER_LENGTH_MAX = 128;
const URL_LENGTH_MAX = 8_192;
/** Beyond a medium's time: who was away then still gives it up afterwards. */
const CLAIM_MARGIN_MS = 2 * 86_400_000;

/** One for its caller, and where it is. */
export interface MediumToFetch extends MediumName {
  readonly sourceId: Buffer;
  readonly provider: string;
  readonly url: string;
  readonly maxBytes: number;
}

/** Of a tenant that is there and wants its media kept. */
type WantingTenant = EdgeTenant & { readonly media: NonNullable<EdgeTenant['media']> };

/**
 * Hands out media that are due, with what their content says of where they are, and keeps what was fetched, sealed.
 * Whoever has one has it until the end of its lease; what of it was lost with its holder is handed out again.
 */
export class HandOutMedia {
  /** @param readers read contents, of one tenant at a time. */
  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly readers: Pick<Database, 'tenantTransaction'>,
    private readonly store: MediaStore,
    private readonly contents: Pick<ContentRead, 'contents'>,
    private readonly open: Pick<OpenSealed, 'ifKept'>,
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'tenant'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    private readonly metrics: MediaMetrics,
    private readonly limits: MediaLimits,
  ) {}

  /**
   * @param limit 1–16. @param leaseSeconds 1–600.
   * @throws AppError `request.invalid`, `service.unavailable` while no tenant is known yet.
   */
  async claim(holder: string, limit: number, leaseSeconds: number): Promise<MediumToFetch[]> {
    checkHolder(holder);
    if (limit < 1 || limit > CLAIM_MAX || leaseSeconds < 1 || leaseSeconds > LEASE_SECONDS_MAX)
      throw new AppError('request.invalid', {
        detail: `limit must be 1 to ${CLAIM_MAX}, leaseSeconds 1 to ${LEASE_SECONDS_MAX}`,
      });
    if (!this.edge.isReady) throw new AppError('service.unavailable', { detail: 'no tenants known yet' });
    const fromMs = this.clock.nowMs() - this.limits.deadlineMs - CLAIM_MARGIN_MS;
    const counts = { all: limit, perTenant: Math.min(limit, CLAIM_PER_TENANT_MAX) };
    const claimed = await this.store.claim(this.db, holder, fromMs, counts, leaseSeconds);
    const byTenant = new Map<string, ClaimedMedium[]>();
    for (const medium of claimed) {
      const tenantId = formatId('ten', medium.tenantId);
      byTenant.set(tenantId, [...(byTenant.get(tenantId) ?? []), medium]);
    }
    const found = await Promise.all(
      [...byTenant].map(([tenantId, media]) => this.locate(holder, this.edge.tenant(tenantId), media)),
    );
    return found.flat();
  }

  /**
   * @returns false when that holder does not have it any more, or it was taken away meanwhile: then nothing is kept.
   * @throws AppError `request.invalid`, `data_key.unavailable` when the tenant's key is not in memory.
   */
  async keep(
    holder: string,
    name: MediumName,
    medium: { readonly contentType: string; readonly body: Buffer },
  ): Promise<boolean> {
    checkHolder(holder);
    checkName(name);
    const { body } = medium;
    if (body.length > MEDIA_BYTES_MAX)
      throw new AppError('request.invalid', { detail: `at most ${MEDIA_BYTES_MAX} bytes` });
    const box = this.edge.tenant(formatId('ten', name.tenantId))?.boxFor(this.clock.nowMs());
    if (box === undefined) throw new AppError('data_key.unavailable');
    const isKept = await this.store.store(this.db, name, holder, {
      contentType: contentTypeOf(medium.contentType),
      bytes: body.length,
      dataKeyId: box.keyId,
      body: box.seal(body, sealAad('media', name.tenantId, mediumRowId(name))),
    });
    if (isKept) {
      this.metrics.settled.inc({ outcome: 'stored' });
      this.metrics.storedBytes.inc({}, body.length);
    }
    return isKept;
  }

  /** @returns what it is now; undefined when that holder did not have it. @throws AppError `request.invalid` */
  async settle(
    holder: string,
    name: MediumName,
    end: { readonly state: MediumEnd | 'retry'; readonly reason: string; readonly retryAfterMs: number },
  ): Promise<MediumState | undefined> {
    checkHolder(holder);
    checkName(name);
    const reason = reasonOf(end.reason);
    if (end.state !== 'retry') return this.end(holder, name, end.state, reason);
    const attempts = await this.store.attempts(this.db, name, holder);
    if (attempts === undefined) return undefined;
    const delayMs = Math.max(end.retryAfterMs, retryDelayMs(attempts, this.limits, Math.random()));
    const state = await this.store.retry(this.db, name, holder, reason, delayMs);
    if (state !== undefined) this.metrics.settled.inc({ outcome: state === 'pending' ? 'retry' : state });
    return state;
  }

  private async end(
    holder: string,
    name: MediumName,
    state: MediumEnd,
    reason: string,
  ): Promise<MediumEnd | undefined> {
    if (!(await this.store.end(this.db, name, holder, state, reason))) return undefined;
    this.metrics.settled.inc({ outcome: state });
    return state;
  }

  /** Where one tenant's are. What cannot be opened now is handed out again after its lease. */
  private async locate(
    holder: string,
    tenant: EdgeTenant | undefined,
    media: readonly ClaimedMedium[],
  ): Promise<MediumToFetch[]> {
    const due = await this.withoutEnded(holder, tenant, media);
    if (due.length === 0 || !isWanting(tenant)) return [];
    try {
      const urls = await this.urlsOf(tenant.uuid, due);
      const maxBytes = Math.min(tenant.media.maxBytes, this.limits.bytesMax);
      const found: MediumToFetch[] = [];
      for (const medium of due) {
        const url = urls.get(medium.eventId.toString('hex'))?.[medium.index];
        // Somebody erased the person, or the content's time is over.
        if (url === undefined) await this.end(holder, medium, 'gone', 'erased');
        else if (url.length > URL_LENGTH_MAX) await this.end(holder, medium, 'refused', 'url_too_long');
        else found.push({ ...medium, url, maxBytes });
      }
      return found;
    } catch (err) {
      this.log.warn({ err, stage: 'media' }, 'media were not handed out');
      return [];
    }
  }

  private async withoutEnded(
    holder: string,
    tenant: EdgeTenant | undefined,
    media: readonly ClaimedMedium[],
  ): Promise<ClaimedMedium[]> {
    const due: ClaimedMedium[] = [];
    for (const medium of media) {
      if (medium.isExpired) await this.end(holder, medium, 'failed', 'deadline');
      else if (!isWanting(tenant)) await this.end(holder, medium, 'refused', 'policy');
      else due.push(medium);
    }
    return due;
  }

  /** By the event's ID in hex. */
  private async urlsOf(
    tenantId: Buffer,
    media: readonly ClaimedMedium[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const tenant = uuidText(tenantId);
    const ids = [...new Set(media.map(({ eventId }) => uuidText(eventId)))];
    const sealed = await this.readers.tenantTransaction(tenant, (tx) =>
      this.contents.contents(tx, tenant, ids),
    );
    const urls = new Map<string, readonly string[]>();
    for (const content of sealed) {
      const opened = await this.open.ifKept('content', tenantId, content);
      if (opened !== undefined) urls.set(content.rowId.replaceAll('-', ''), decodeContent(opened).mediaUrls);
    }
    return urls;
  }
}

const isWanting = (tenant: EdgeTenant | undefined): tenant is WantingTenant => tenant?.media !== undefined;

function checkHolder(holder: string): void {
  if (holder === '' || holder.length > HOLDER_LENGTH_MAX)
    throw new AppError('request.invalid', {
      fields: [{ path: 'instanceId', message: `1 to ${HOLDER_LENGTH_MAX} characters` }],
    });
}

function checkName({ tenantId, eventId, index }: MediumName): void {
  if (tenantId.length !== ID_BYTES || eventId.length !== ID_BYTES || index >= MEDIA_PER_EVENT_MAX)
    throw new AppError('request.invalid', { detail: 'not the name of a medium' });
}
