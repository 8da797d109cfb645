import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import {
  auditActor,
  type AuditAct,
  type AuditActor,
  type AuditOutgoing,
} from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { distinctPersons, logHashOf, personKey, type Person } from '../domain/person.js';
import { LINKED_MAX, type PersonStore } from '../persistence/person.store.js';
import type { PermitStore } from '../persistence/permit.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import { LinksChanged, linksUnstable } from './gather-facts.js';
import type { PermitDrain } from './permit-drain.js';

const TRIES_MAX = 3;

/**
 * Says that several addresses reach one person. A link is not taken back: what was stopped stays stopped.
 * After an answer no send begins that an opt-out of one of them forbids.
 */
export class LinkPersons {
  constructor(
    private readonly db: Database,
    private readonly persons: PersonStore,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly permits: PermitStore,
    private readonly drain: PermitDrain,
    private readonly tenants: EdgeTenants,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * @returns the hashes of the group. @throws AppError `request.invalid`, and `store.*` or `service.deadline`: then
   * permits of before may be open.
   */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly principal?: AuditActor | undefined;
    readonly personId: string;
    readonly addresses: readonly string[];
    readonly personIds: readonly string[];
  }): Promise<Buffer[]> {
    const { tenantId, actorId, addresses, personIds } = request;
    const actor = auditActor(request.principal, actorId);
    if (actorId === '') throw invalid('actorId', 'is missing');
    if (addresses.length + personIds.length >= LINKED_MAX) throw tooMany();
    const named = distinctPersons([
      this.tenants.personOf(tenantId, request.personId),
      ...addresses.map((address) => this.tenants.personAt(tenantId, address, '')),
      ...personIds.map((id) => this.tenants.personOf(tenantId, id, 'personIds')),
    ]);
    for (let tries = 1; ; tries += 1) {
      try {
        const { group, openPermits } = await this.link(named, actorId, actor);
        await this.drain.wait(openPermits);
        this.log.info({ actorId, count: group.length, outcome: 'linked' }, 'persons by hand');
        return group;
      } catch (error) {
        if (!(error instanceof LinksChanged)) throw error;
        if (tries === TRIES_MAX) throw linksUnstable();
      }
    }
  }

  private link(
    named: readonly Person[],
    actorId: string,
    actor: AuditActor,
  ): Promise<{ readonly group: Buffer[]; readonly openPermits: string[] }> {
    const nowMs = this.clock.nowMs();
    return this.db.transaction(async (tx) => {
      await this.persons.settle(tx, named);
      const group = await this.groupOf(tx, named);
      if (group.length > LINKED_MAX) throw tooMany();
      // Whoever permits or stops a message to one of them is done, or begins after this.
      await this.persons.lock(tx, group);
      if ((await this.groupOf(tx, named)).length !== group.length) throw new LinksChanged();
      await this.persons.link(tx, group, { id: uuidText(newUuid(nowMs)), actorId, atMs: nowMs });
      const open = await this.permits.openOf(tx, group, nowMs);
      // Whoever links one with nobody asks who is linked.
      if (named.length > 1) await this.audit.add(tx, [actOf(named[0]!, group, actor)]);
      return { group: group.map(logHashOf), openPermits: [...new Set([...open.values()].flat())] };
    });
  }

  /** The persons named and those linked with them before. Links only grow, so their number says whether they changed. */
  private async groupOf(
    tx: Parameters<PersonStore['linked']>[0],
    named: readonly Person[],
  ): Promise<Person[]> {
    const group = new Map<string, Person>();
    for (const person of named)
      for (const linked of await this.persons.linked(tx, person)) group.set(personKey(linked), linked);
    return [...group.values()];
  }
}

function actOf(named: Person, group: readonly Person[], actor: AuditActor): AuditAct {
  const personIds = group.map((person) => formatId('per', logHashOf(person)));
  return {
    tenantId: named.tenantId,
    actor,
    action: 'person.linked',
    target: formatId('per', logHashOf(named)),
    detail: { after: { personIds } },
  };
}

const tooMany = () => invalid('addresses', `a person has at most ${LINKED_MAX} linked addresses`);
