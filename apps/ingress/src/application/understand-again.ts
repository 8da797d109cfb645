import { formatId } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { sealAad, type SealedBox } from '@posthorn/crypto/sealed-box.js';
import type { EdgeConfig, EdgeSource, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AppendClient, IntakeRequest } from '../clients/append.client.js';
import type { DataKeyClient } from '../clients/data-key.client.js';
import { decodeRefusedRequest } from '../clients/intake-message.js';
import type { ReprocessingClient, StoredRequest } from '../clients/reprocessing.client.js';
import {
  originalOf,
  unauthenticCauseIn,
  understoodOriginals,
  type ParsedEvent,
} from '../domain/original-event.js';
import type { IntakePlace } from './arrived-request.js';
import type { EnforceOptOuts } from './enforce-opt-outs.js';
import type { IntakeReport } from './intake-report.js';
import { sealEvent } from './seal-request.js';
import type { SourceRules, SourceSettings } from './source-settings.js';
import { understandRequest } from './understand-request.js';

type IntakeEvent = IntakeRequest['events'][number];

const NOTHING = Buffer.alloc(0);
const UNRECOGNIZED_TYPE = 'event.unrecognized';

/** What came of a request. IDs and hashes are 16 bytes. */
export interface UnderstoodRequest {
  /** Those of its originals whose events are in the log now. */
  readonly understood: readonly Buffer[];
  /** The people of its events. */
  readonly personHashes: readonly Buffer[];
}

/** One that is parsed again, and where it belongs. */
interface Addressed {
  readonly stored: StoredRequest;
  readonly tenant: EdgeTenant;
  readonly source: EdgeSource;
  readonly rules: SourceRules;
  readonly hashKey: Buffer;
  /** Opens the request, and seals what is found in it: it is of that week. */
  readonly box: SealedBox;
}

/** An event as it is now, and what the log has of it. */
interface Candidate extends ParsedEvent {
  readonly event: IntakeEvent;
}

/**
 * Parses a stored request again by the adapter and settings of today, and appends what is understood now, with the
 * time it came at. It was proven authentic when it came, which is not done again; what was let in unproven stays marked.
 */
export class UnderstandAgain {
  constructor(
    private readonly config: Pick<EdgeConfig, 'tenant' | 'source'>,
    private readonly settings: SourceSettings,
    private readonly keys: Pick<DataKeyClient, 'open'>,
    private readonly originals: Pick<ReprocessingClient, 'originals'>,
    private readonly store: Pick<AppendClient, 'append'>,
    private readonly optOuts: Pick<EnforceOptOuts, 'run'>,
    private readonly report: Pick<IntakeReport, 'parserFailed'>,
    private readonly place: IntakePlace,
  ) {}

  /**
   * The same request again appends nothing more.
   * @param tenantId 16 bytes.
   * @throws AppError why it cannot be parsed; retryable: not now.
   */
  async run(tenantId: Buffer, stored: StoredRequest): Promise<UnderstoodRequest> {
    const addressed = await this.address(tenantId, stored);
    const candidates = await this.candidatesOf(addressed);
    const originals = stored.originals.map(({ eventId }) => eventId);
    const understood = candidates.filter(({ isUnderstood }) => isUnderstood);
    if (understood.length === 0) return { understood: [], personHashes: [] };
    const request = requestOf(
      addressed,
      understood.map((candidate) => ({
        ...candidate.event,
        ...keysOf(candidate, addressed),
        attributes: {
          ...candidate.event.attributes!,
          causedBy: originalOf(candidate, originals, candidates),
        },
      })),
    );
    const appended = await this.store.append(request);
    await this.optOuts.run(request, appended);
    return {
      understood: understoodOriginals(originals, candidates),
      personHashes: request.events.flatMap(({ personHash }) => (personHash.length > 0 ? [personHash] : [])),
    };
  }

  private async address(tenantId: Buffer, stored: StoredRequest): Promise<Addressed> {
    const tenant = this.config.tenant(formatId('ten', tenantId));
    if (tenant === undefined) throw new AppError('tenant.not_found');
    const source = this.config.source(formatId('src', stored.sourceId));
    if (source === undefined || source.tenantId !== tenant.id || source.status === 'disabled')
      throw new AppError('source.not_found');
    const rules = this.settings.of(source);
    if (rules instanceof Error)
      throw new AppError('service.unavailable', { detail: 'this source cannot be served by this version' });
    const { hashKey } = tenant;
    if (hashKey === undefined || tenant.shards.length === 0) throw new AppError('data_key.unavailable');
    const box = tenant.box(stored.dataKeyId) ?? (await this.keys.open(tenant.id, stored.dataKeyId));
    return { stored, tenant, source, rules, hashKey, box };
  }

  /** Its events, with what the log has under their keys. Of people who were erased since nothing is sealed again. */
  private async candidatesOf(addressed: Addressed): Promise<Candidate[]> {
    const { tenant, source } = addressed;
    const events = this.eventsOf(addressed);
    const hashes = events.map(hashesOf);
    const people = new Map(events.map(({ personHash }) => [personHash.toString('latin1'), personHash]));
    const { eventIds, erasedPersonHashes } = await this.originals.originals({
      tenantId: tenant.uuid,
      sourceId: source.uuid,
      dedupHashes: hashes.flat(),
      personHashes: [...people.values()].filter(({ length }) => length > 0),
      receivedAtMs: addressed.stored.receivedAtMs,
    });
    const erased = new Set(erasedPersonHashes.map((hash) => hash.toString('latin1')));
    let at = 0;
    return events.map((event, index) => {
      const held = eventIds.slice(at, (at += hashes[index]!.length));
      const isErased = erased.has(event.personHash.toString('latin1'));
      return {
        event: isErased ? { ...event, content: NOTHING } : event,
        isUnderstood: event.type !== UNRECOGNIZED_TYPE,
        holders: held.filter(({ length }) => length > 0),
      };
    });
  }

  private eventsOf({ stored, tenant, source, rules, hashKey, box }: Addressed): IntakeEvent[] {
    const { requestId, receivedAtMs, traceparent } = stored;
    const raw = box.open(stored.raw, sealAad('raw', tenant.uuid, requestId));
    const request = this.place.requestOf(decodeRefusedRequest(raw, traceparent), rules);
    const subject = {
      ...{ requestId: formatId('req', requestId), provider: rules.provider.id },
      ...{ tenantId: tenant.id, sourceId: source.id },
    };
    const events = understandRequest(request, rules, tenant, (error) =>
      this.report.parserFailed(error, subject),
    );
    const unauthenticCause = unauthenticCauseIn(stored.originals[0]?.note ?? '');
    return events.map((event) =>
      sealEvent(event, { tenant, source, receivedAtMs, unauthenticCause }, { hashKey, box }),
    );
  }
}

const hashesOf = ({ dedupHash, formerDedupHashes }: IntakeEvent): Buffer[] => [
  dedupHash,
  ...formerDedupHashes,
];

/**
 * Under which keys it is appended: its own, where they are free or those of an event that was understood, of which it
 * is a copy then. Where the original holds one, keys that follow from them: they can be taken once, too.
 */
function keysOf(
  { event: { dedupHash, formerDedupHashes }, holders }: Candidate,
  { hashKey, source }: Addressed,
): Pick<IntakeEvent, 'dedupHash' | 'formerDedupHashes'> {
  if (holders.length === 0) return { dedupHash, formerDedupHashes };
  const again = (hash: Buffer): Buffer => keyedHash(hashKey, 'dedup', source.uuid, 'again', hash);
  return { dedupHash: again(dedupHash), formerDedupHashes: formerDedupHashes.map(again) };
}

/** The request is stored already, and its nonce, where it has one, is taken by it. */
const requestOf = ({ stored, tenant, source, box }: Addressed, events: IntakeEvent[]): IntakeRequest => ({
  requestId: stored.requestId,
  tenantId: tenant.uuid,
  sourceId: source.uuid,
  provider: source.provider,
  secretId: stored.secretId,
  receivedAtMs: stored.receivedAtMs,
  dataKeyId: box.keyId,
  raw: NOTHING,
  traceparent: stored.traceparent,
  events,
});
