import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { personKey, type Person } from '../domain/person.js';
import { isChannel, isReason, SCOPE_ALL, type Suppression } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { OutgoingStore } from '../persistence/outgoing.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import { outgoingOf } from './fold-signals.js';
import type { RelayWake } from './relay-wake.js';

/** What a member of staff asks for. Empty channel, scope and reason stand for all, all and manual. */
export interface SuppressionRequest {
  readonly tenantId: string;
  readonly actorId: string;
  readonly address: string;
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
}

const SCOPE_LENGTH_MAX = 64;

/** Suppresses a person by hand. The same again gives the one that is in force. */
export class CreateSuppression {
  constructor(
    private readonly db: Database,
    private readonly consent: ConsentStore,
    private readonly suppressions: SuppressionStore,
    private readonly outgoing: OutgoingStore,
    private readonly tenants: EdgeTenants,
    private readonly wake: RelayWake,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** @throws AppError `request.invalid`, and what EdgeTenants throws. */
  async run(request: SuppressionRequest): Promise<Suppression> {
    const { actorId } = request;
    const channel = request.channel || 'all';
    const scope = request.scope || SCOPE_ALL;
    const reason = request.reason || 'manual';
    if (!isChannel(channel)) throw invalid('channel', 'must be sms, email, chat, push or all');
    if (!isReason(reason)) throw invalid('reason', 'must be opt_out, complaint, hard_bounce or manual');
    if (scope.length > SCOPE_LENGTH_MAX) throw invalid('scope', `at most ${SCOPE_LENGTH_MAX} characters`);
    if (actorId === '') throw invalid('actorId', 'is missing');
    const person = this.tenants.personAt(request.tenantId, request.address);
    const nowMs = this.clock.nowMs();
    const wanted: Suppression = {
      ...{ id: uuidText(newUuid(nowMs)), personHash: person.hash, channel, scope, reason },
      ...{ eventId: undefined, createdAtMs: nowMs },
    };
    const made = await this.insert(person, wanted, actorId);
    const outcome = made.id === wanted.id ? 'created' : 'known';
    this.log.info({ suppressionId: made.id, actorId, reason, channel, outcome }, 'suppression by hand');
    if (outcome === 'created') this.wake.committed();
    return made;
  }

  private insert(person: Person, wanted: Suppression, actorId: string): Promise<Suppression> {
    return this.db.transaction(async (tx) => {
      await this.consent.lockPersons(tx, [person]);
      const before = (await this.suppressions.optOutsInForce(tx, [person])).get(personKey(person))!;
      const made = await this.suppressions.insert(tx, { person, suppression: wanted, actorId });
      if (wanted.reason !== 'opt_out' || made.id !== wanted.id) return made;
      // An opt-out that was taken by phone is one like any other: an opt-in can take it back.
      const signal = signalBy(person, wanted, actorId);
      await this.consent.record(tx, [signal]);
      if (before.length === 0)
        await this.outgoing.add(tx, [outgoingOf('consent.opted_out', signal, wanted.createdAtMs)]);
      return made;
    });
  }
}

const signalBy = (
  person: Person,
  { id, channel, createdAtMs }: Suppression,
  actorId: string,
): ObservedSignal => ({
  ...{ id, kind: 'opt_out', atMs: createdAtMs, person, channel, provider: '' },
  ...{ eventId: undefined, actorId, traceparent: '', receivedAtMs: createdAtMs },
});
