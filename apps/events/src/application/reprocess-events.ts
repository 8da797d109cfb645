import { uuidBytes, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { firstUuidOf } from '../domain/page.js';
import {
  cutPage,
  PAGE_TRIES_MAX,
  pauseMsOf,
  REPROCESSED_EVENTS_MAX,
  requestsOf,
  understoodOf,
  type HeldReprocessing,
  type Original,
  type SettledPage,
  type StoredRequest,
} from '../domain/reprocessing.js';
import type { OriginalsPage, ReprocessingRead, SealedRequest } from '../persistence/reprocessing.read.js';
import type { ReprocessingStore } from '../persistence/reprocessing.store.js';

const LEASE_SECONDS_MAX = 600;
const TEXT_LENGTH_MAX = 128;
const ID_BYTES = 16;
const REQUESTS_MAX = 32;
const BYTES_MAX = 4 * 1024 * 1024;
/** Parts of the log that one call looks through for something. */
const SCANS_MAX = 8;
const HASHES_MAX = 4_000;
const PERSONS_MAX = 1_000;
const EVENTS_MAX = 1_000;
/** What is asked by one call at settling: the people of a page. */
const SETTLED_PERSONS_MAX = 32_000;

/** A page for its caller. No request in it: ask again. */
export interface ClaimedRequests {
  readonly reprocessingId: Buffer;
  readonly tenantId: Buffer;
  readonly requests: readonly StoredRequest[];
}

interface Bodies {
  readonly page: readonly Original[];
  readonly bodies: ReadonlyMap<string, SealedRequest>;
}

/**
 * Hands out stored requests of which not everything was understood, and takes what came of parsing them again.
 * A reprocessing is at one caller at a time and goes on, and counts, by whole pages: what a caller that died had is
 * given out again when its lease ends, and the dedup keys tell then what was in the log already.
 */
export class ReprocessEvents {
  /** @param readers read bodies, of one tenant at a time. */
  constructor(
    private readonly db: Pick<Database, 'query' | 'transaction'>,
    private readonly readers: Pick<Database, 'tenantTransaction'>,
    private readonly store: ReprocessingStore,
    private readonly read: Pick<ReprocessingRead, 'next' | 'bodies'>,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
  ) {}

  /** @param leaseSeconds 1–600. @returns undefined when there is nothing to do. @throws AppError `request.invalid` */
  async claim(instanceId: string, leaseSeconds: number): Promise<ClaimedRequests | undefined> {
    checkInstance(instanceId);
    if (leaseSeconds < 1 || leaseSeconds > LEASE_SECONDS_MAX)
      throw new AppError('request.invalid', { detail: `leaseSeconds must be 1 to ${LEASE_SECONDS_MAX}` });
    const held = await this.store.take(this.db, instanceId, leaseSeconds);
    if (held === undefined) return undefined;
    const name = { reprocessingId: uuidBytes(held.reprocessingId), tenantId: uuidBytes(held.tenantId) };
    let { cursor } = held;
    for (let scan = 0; scan < SCANS_MAX; scan += 1) {
      const found = await this.readers.tenantTransaction(held.tenantId, (tx) =>
        this.pageOf(tx, held, cursor),
      );
      const requests = held.tries > PAGE_TRIES_MAX ? [] : requestsIn(found);
      const through = found.page.at(-1)?.eventId;
      if (requests.length > 0) {
        const ids = found.page.map(({ eventId }) => eventId);
        const isHeld = await this.store.claim(this.db, held, instanceId, ids, through!);
        return { ...name, requests: isHeld ? requests : [] };
      }
      // Nothing that could be parsed: of these events the requests are not kept any more, or cannot be processed.
      cursor = through ?? found.through ?? held.before;
      const isEnd = through === undefined && found.through === undefined;
      if (isEnd || found.page.length > 0 || scan === SCANS_MAX - 1) {
        await this.passOver(held, instanceId, cursor, found.page.length, isEnd);
        break;
      }
    }
    return { ...name, requests: [] };
  }

  /**
   * Of dedup keys of one source the events that hold them and were not understood, and of people those who were
   * asked to be erased after the request came. @throws AppError `request.invalid`
   */
  async originals(asked: {
    readonly tenantId: Buffer;
    readonly sourceId: Buffer;
    readonly dedupHashes: readonly Buffer[];
    readonly personHashes: readonly Buffer[];
    readonly receivedAtMs: number;
  }): Promise<{ events: (Buffer | undefined)[]; erased: Buffer[] }> {
    const { tenantId, sourceId, dedupHashes, personHashes, receivedAtMs } = asked;
    checkIds([tenantId, sourceId, ...dedupHashes, ...personHashes]);
    if (dedupHashes.length > HASHES_MAX || personHashes.length > PERSONS_MAX)
      throw new AppError('request.invalid', {
        detail: `at most ${HASHES_MAX} dedup hashes and ${PERSONS_MAX} people`,
      });
    const event = firstUuidOf(receivedAtMs);
    return {
      events: await this.store.originals(this.db, tenantId, sourceId, dedupHashes),
      erased: await this.store.erased(this.db, tenantId, personHashes, event),
    };
  }

  /** A page that is not claimed by that caller (any more) is left as it is. @throws AppError `request.invalid` */
  async settle(instanceId: string, page: SettledPage): Promise<void> {
    checkInstance(instanceId);
    checkIds([page.tenantId, page.reprocessingId, ...page.understood, ...page.personHashes]);
    if (page.understood.length > EVENTS_MAX || page.personHashes.length > SETTLED_PERSONS_MAX)
      throw new AppError('request.invalid', {
        detail: `at most ${EVENTS_MAX} events and ${SETTLED_PERSONS_MAX} people`,
      });
    const name = { tenantId: uuidText(page.tenantId), reprocessingId: uuidText(page.reprocessingId) };
    const done = await this.db.transaction(async (tx) => {
      const claimed = await this.store.claimed(tx, name, instanceId);
      if (claimed === undefined) return undefined;
      // Whatever became of the page: something of it may be in the log.
      const oldest = firstUuidOf(uuidTimeMs(uuidBytes(claimed.claimed[0]!)));
      await this.store.eraseAgain(tx, page.tenantId, page.personHashes, oldest);
      if (page.outcome === 'postponed') {
        await this.store.rest(tx, name, instanceId, pauseMsOf(claimed.tries));
        return undefined;
      }
      const understood = understoodOf(claimed.claimed, page.understood);
      await this.store.understood(tx, name, understood);
      const [lookedAt, cursor] = [claimed.claimed.length, claimed.through];
      const end = claimed.lookedAt + lookedAt >= REPROCESSED_EVENTS_MAX ? 'bound' : undefined;
      await this.store.move(tx, name, instanceId, { cursor, lookedAt, understood: understood.length, end });
      return { count: lookedAt, total: understood.length };
    });
    if (done !== undefined) this.log.info({ stage: 'reprocess', ...done }, 'events were parsed again');
  }

  /** What fits into one answer of what comes next. */
  private async pageOf(tx: Tx, held: HeldReprocessing, cursor: string): Promise<OriginalsPage & Bodies> {
    const found = await this.read.next(tx, held, cursor);
    const asked = requestsOf(found.originals).slice(0, REQUESTS_MAX);
    const bodies = await this.read.bodies(tx, held.tenantId, asked, BYTES_MAX);
    const fitting = asked.filter((id) => !bodies.has(id) || bodies.get(id)!.body !== undefined);
    return { ...found, bodies, page: cutPage(found.originals, new Set(fitting)) };
  }

  private async passOver(
    held: HeldReprocessing,
    instanceId: string,
    cursor: string,
    lookedAt: number,
    isEnd: boolean,
  ): Promise<void> {
    if (held.tries > PAGE_TRIES_MAX && lookedAt > 0)
      this.log.warn({ stage: 'reprocess', count: lookedAt }, 'events could not be parsed again and are left');
    const end = isEnd ? 'all' : held.lookedAt + lookedAt >= REPROCESSED_EVENTS_MAX ? 'bound' : undefined;
    await this.store.move(this.db, held, instanceId, { cursor, lookedAt, understood: 0, end });
  }
}

/** The requests of a page that are kept, each with its originals. */
function requestsIn({ page, bodies }: Bodies): StoredRequest[] {
  const requests = new Map<string, StoredRequest>();
  for (const original of page) {
    const { requestId, eventId, note } = original;
    const sealed = requestId === undefined ? undefined : bodies.get(requestId);
    if (requestId === undefined || sealed?.body === undefined) continue;
    const known = requests.get(requestId);
    const request = known ?? storedRequest(original, requestId, sealed.dataKeyId, sealed.body);
    request.originals.push({ eventId: uuidBytes(eventId), note });
    if (known === undefined) requests.set(requestId, request);
  }
  return [...requests.values()];
}

const storedRequest = (
  { sourceId, secretId, receivedAtMs, traceparent }: Original,
  requestId: string,
  dataKeyId: Buffer,
  raw: Buffer,
): StoredRequest => ({
  requestId: uuidBytes(requestId),
  sourceId: uuidBytes(sourceId),
  secretId: secretId === undefined ? Buffer.alloc(0) : uuidBytes(secretId),
  receivedAtMs,
  traceparent,
  dataKeyId,
  raw,
  originals: [],
});

function checkInstance(instanceId: string): void {
  if (instanceId === '' || instanceId.length > TEXT_LENGTH_MAX)
    throw new AppError('request.invalid', { detail: 'an instance has an ID' });
}

function checkIds(ids: readonly Buffer[]): void {
  if (ids.some(({ length }) => length !== ID_BYTES))
    throw new AppError('request.invalid', { detail: 'IDs and hashes have 16 bytes' });
}
