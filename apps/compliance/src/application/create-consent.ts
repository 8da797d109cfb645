import type { Clock } from '@posthorn/clock/clock.js';
import { derivedUuid, uuidText } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { PROOF_BYTES_MAX, PROOF_METHODS, type ConsentProof } from '../domain/consent-proof.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { isChannel, SCOPE_ALL } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import { SCOPE_LENGTH_MAX } from './create-suppression.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import type { FoldSignals } from './fold-signals.js';
import type { RelayWake } from './relay-wake.js';

/** A consent that somebody enters. Empty channel and program stand for all; `occurredAtMs` 0 for now. */
export interface ConsentRequest {
  readonly tenantId: string;
  readonly actorId: string;
  readonly address: string;
  readonly personId: string;
  readonly channel: string;
  readonly program: string;
  readonly status: string;
  readonly proof: ConsentProof | undefined;
  readonly occurredAtMs: number;
}

const KINDS: ReadonlyMap<string, 'pending' | 'grant' | 'opt_out'> = new Map([
  ['pending', 'pending'],
  ['opted_in', 'grant'],
  ['opted_out', 'opt_out'],
]);

/** Adds an entry to the history of consent. The same entry with the same time again is the same one. */
export class CreateConsent {
  constructor(
    private readonly db: Database,
    private readonly consent: ConsentStore,
    private readonly fold: FoldSignals,
    private readonly tenants: EdgeTenants,
    private readonly wake: RelayWake,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** @returns the signal, and whether it is new. @throws AppError `request.invalid`. */
  async run(request: ConsentRequest): Promise<{ signal: ObservedSignal; isNew: boolean }> {
    const nowMs = this.clock.nowMs();
    const signal = this.signalOf(request, nowMs);
    const { proof } = request;
    if (proof !== undefined) check(proof);
    const { recorded, changes } = await this.db.transaction(async (tx) => {
      const isNew = (await this.consent.known(tx, [signal])).size === 0;
      if (isNew && proof !== undefined) await this.consent.addProof(tx, signal.person, signal.id, proof);
      return this.fold.run(tx, [signal], nowMs);
    });
    const outcome = recorded.length > 0 ? 'created' : 'known';
    this.log.info({ actorId: signal.actorId, signal: signal.kind, outcome }, 'consent by hand');
    if (changes.length > 0) this.wake.committed();
    return { signal, isNew: recorded.length > 0 };
  }

  private signalOf(request: ConsentRequest, nowMs: number): ObservedSignal {
    const { tenantId, actorId, address, personId } = request;
    const channel = request.channel || 'all';
    const program = request.program || SCOPE_ALL;
    const kind = KINDS.get(request.status);
    const atMs = Math.floor(request.occurredAtMs || nowMs);
    if (!isChannel(channel)) throw invalid('channel', 'must be sms, email, chat, push or all');
    if (kind === undefined) throw invalid('status', 'must be pending, opted_in or opted_out');
    if (program.length > SCOPE_LENGTH_MAX) throw invalid('program', `at most ${SCOPE_LENGTH_MAX} characters`);
    if (!(atMs > 0 && atMs <= nowMs)) throw invalid('occurredAt', 'must not be in the future');
    if (actorId === '') throw invalid('actorId', 'is missing');
    const person =
      personId === '' ? this.tenants.personAt(tenantId, address) : this.tenants.personOf(tenantId, personId);
    const id = uuidText(derivedUuid(atMs, 'consent', person.tenantId, person.hash, kind, channel, program));
    return {
      ...{
        id,
        kind,
        atMs,
        covers: channel,
        program,
        person,
        channel,
        provider: '',
        eventId: undefined,
        actorId,
      },
      ...{ traceparent: '', receivedAtMs: nowMs, isPhrase: false },
    };
  }
}

function check(proof: ConsentProof): void {
  if (!PROOF_METHODS.includes(proof.method))
    throw invalid('proof.method', `must be one of ${PROOF_METHODS.slice(1).join(', ')}`);
  if (Buffer.byteLength(JSON.stringify(proof)) > PROOF_BYTES_MAX)
    throw invalid('proof', `at most ${PROOF_BYTES_MAX} bytes together`);
}
