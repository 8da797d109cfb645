import type { Clock } from '@posthorn/clock/clock.js';
import { derivedUuid, formatId, idOfUuid, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import {
  auditActor,
  type AuditAct,
  type AuditActor,
  type AuditOutgoing,
} from '@posthorn/postgres/audit-outgoing.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { PROOF_BYTES_MAX, PROOF_METHODS, type ConsentProof } from '../domain/consent-proof.js';
import { openUntilMs } from '../domain/consent-state.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { logHashOf, type Person, personKey } from '../domain/person.js';
import { isChannel, SCOPE_ALL } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { PermitStore } from '../persistence/permit.store.js';
import type { PolicyStore } from '../persistence/policy.store.js';
import { SCOPE_LENGTH_MAX } from './create-suppression.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import type { FoldSignals } from './fold-signals.js';
import type { PermitDrain } from './permit-drain.js';
import type { RelayWake } from './relay-wake.js';

/** A consent that somebody enters. Empty channel and program stand for all; `occurredAtMs` 0 for now. */
export interface ConsentRequest {
  readonly tenantId: string;
  readonly actorId: string;
  readonly principal?: AuditActor | undefined;
  readonly address: string;
  readonly personId: string;
  readonly channel: string;
  readonly program: string;
  readonly status: string;
  readonly proof: ConsentProof | undefined;
  readonly occurredAtMs: number;
  /** `evt_…` of an entry that was exported; empty or missing for none. */
  readonly id?: string;
}

const KINDS: ReadonlyMap<string, 'pending' | 'grant' | 'opt_out'> = new Map([
  ['pending', 'pending'],
  ['opted_in', 'grant'],
  ['opted_out', 'opt_out'],
]);

/** What came of it. */
export interface MadeConsent {
  /** UUID text of the entry. */
  readonly id: string;
  readonly isNew: boolean;
  /** Of an opt-out: permits that were given before; it is not to be answered while one of them is open. */
  readonly openPermits: readonly string[];
}

/**
 * Adds an entry to the history of consent. The same entry with the same time again is the same one. After an opt-out is
 * answered no send begins.
 */
export class CreateConsent {
  constructor(
    private readonly db: Database,
    private readonly consent: ConsentStore,
    private readonly policies: PolicyStore,
    private readonly permits: PermitStore,
    private readonly fold: FoldSignals,
    private readonly drain: PermitDrain,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly tenants: EdgeTenants,
    private readonly wake: RelayWake,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * Resolves, of an opt-out, once every permit that was given before is closed or expired.
   * @throws AppError `request.invalid`, and `store.*` or `service.deadline`: then permits may be open.
   */
  async run(request: ConsentRequest): Promise<MadeConsent> {
    const made = await this.take(request);
    await this.drain.wait(made.openPermits);
    return made;
  }

  /** The same for one row of many, whose caller waits for the permits of all. */
  async take(request: ConsentRequest): Promise<MadeConsent> {
    const nowMs = this.clock.nowMs();
    const known = await this.known(request, nowMs);
    if (known !== undefined) return known;
    const signal = this.signalOf(request, nowMs);
    const { proof } = request;
    const actor = auditActor(request.principal, request.actorId);
    if (proof !== undefined) check(proof);
    const { recorded, changes, openPermits } = await this.db.transaction(async (tx) => {
      await this.fold.lock(tx, [signal.person]);
      const isNew = (await this.consent.known(tx, [signal])).size === 0;
      if (isNew && proof !== undefined) await this.consent.addProof(tx, signal.person, signal.id, proof);
      const open = signal.kind === 'opt_out' ? await this.openPermits(tx, signal, nowMs) : [];
      const folded = await this.fold.run(tx, [await this.timed(tx, signal)], nowMs);
      if (folded.recorded.length > 0) await this.audit.add(tx, [actOf(signal, actor, request.status)]);
      return { ...folded, openPermits: open };
    });
    const outcome = recorded.length > 0 ? 'created' : 'known';
    this.log.info({ actorId: signal.actorId, signal: signal.kind, outcome }, 'consent by hand');
    if (changes.length > 0) this.wake.committed();
    return { id: signal.id, isNew: recorded.length > 0, openPermits };
  }

  /**
   * The entry that an exported row is, when it is here. Why by its ID: what an event made has another one than what is
   * entered by hand, and would be there twice. One that says something else is no such entry.
   */
  private async known(request: ConsentRequest, nowMs: number): Promise<MadeConsent | undefined> {
    if (request.id === undefined || request.id === '') return undefined;
    const id = uuidOfId('evt', request.id);
    if (id === undefined) throw invalid('id', 'is no ID of an entry');
    const person = this.personOf(request);
    const kind = KINDS.get(request.status) ?? request.status;
    return this.db.transaction(async (tx) => {
      await this.fold.lock(tx, [person]);
      const found = (await this.consent.known(tx, [{ person, id }])).values().next().value;
      const isIt = found?.isOwn === true && found.kind === kind && found.atMs === request.occurredAtMs;
      if (!isIt) return undefined;
      const openPermits = kind === 'opt_out' ? await this.openPermits(tx, { person }, nowMs) : [];
      return { id, isNew: false, openPermits };
    });
  }

  /** A question keeps the time that the policy gives it when it is entered: a later policy changes no consent. */
  private async timed(tx: Tx, signal: ObservedSignal): Promise<ObservedSignal> {
    if (signal.kind !== 'pending') return signal;
    const { policy } = await this.policies.inForce(tx, signal.person.tenantId);
    return { ...signal, openUntilMs: openUntilMs(signal.atMs, policy.doubleOptIn.answerDays) };
  }

  /** Under the lock: those given before are to be seen, and later ones know the opt-out. */
  private async openPermits(
    tx: Tx,
    { person }: Pick<ObservedSignal, 'person'>,
    nowMs: number,
  ): Promise<readonly string[]> {
    return (await this.permits.openOf(tx, [person], nowMs)).get(personKey(person)) ?? [];
  }

  private signalOf(request: ConsentRequest, nowMs: number): ObservedSignal {
    const { actorId } = request;
    const channel = request.channel || 'all';
    const program = request.program || SCOPE_ALL;
    const kind = KINDS.get(request.status);
    const atMs = Math.floor(request.occurredAtMs || nowMs);
    if (!isChannel(channel)) throw invalid('channel', 'must be sms, email, chat, push or all');
    if (kind === undefined && request.id)
      throw invalid('kind', 'is not made by hand, and there is no such entry');
    if (kind === undefined) throw invalid('status', 'must be pending, opted_in or opted_out');
    if (program.length > SCOPE_LENGTH_MAX) throw invalid('program', `at most ${SCOPE_LENGTH_MAX} characters`);
    if (!(atMs > 0 && atMs <= nowMs)) throw invalid('occurredAt', 'must not be in the future');
    if (actorId === '') throw invalid('actorId', 'is missing');
    const person = this.personOf(request);
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

  private personOf({ tenantId, address, channel, personId }: ConsentRequest): Person {
    if (personId !== '') return this.tenants.personOf(tenantId, personId);
    return this.tenants.personAt(tenantId, address, channel);
  }
}

function actOf({ id, person, covers, program }: ObservedSignal, actor: AuditActor, status: string): AuditAct {
  const personId = formatId('per', logHashOf(person));
  const detail = { after: { id: idOfUuid('evt', id), channel: covers, program, status } };
  return { tenantId: person.tenantId, actor, action: 'consent.created', target: personId, detail };
}

function check(proof: ConsentProof): void {
  if (!PROOF_METHODS.includes(proof.method))
    throw invalid('proof.method', `must be one of ${PROOF_METHODS.slice(1).join(', ')}`);
  if (Buffer.byteLength(JSON.stringify(proof)) > PROOF_BYTES_MAX)
    throw invalid('proof', `at most ${PROOF_BYTES_MAX} bytes together`);
}
