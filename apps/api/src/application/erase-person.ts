import { type Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, parseId } from '@posthorn/clock/id.js';
import {
  type ErasePersonRequest,
  type ErasePersonResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { type Actor } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type ComplianceClient } from '../clients/compliance.client.js';
import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';
import { type TenantsClient } from '../clients/tenants.client.js';
import { erasureReceipt, rowsOf } from '../domain/erasure-receipt.js';
import { type SignReceipt } from './sign-receipt.js';

/** Each waits, as long as dispatcher does, for what it told the log before. */
const DISPATCHER_TRIES_MAX = 2;

/** Erases a person and those linked everywhere, but for the hashes that keep them suppressed. */
export class ErasePerson {
  constructor(
    private readonly events: Pick<EventsClient, 'intake' | 'act'>,
    private readonly compliance: Pick<ComplianceClient, 'persons' | 'call'>,
    private readonly dispatcher: Pick<DispatcherClient, 'erasures' | 'long'>,
    private readonly tenants: Pick<TenantsClient, 'recordAccess'>,
    private readonly sign: Pick<SignReceipt, 'run'>,
    private readonly clock: Clock,
  ) {}

  /**
   * Written to the audit log before and after: the later entry has the receipt's hash.
   * Dispatcher first, so that no content of a message is told to the log any more when that is erased.
   * @param personId `per_…` @throws AppError `person.not_found`; after any other the same again goes on with it.
   */
  async run(tenantId: string, personId: string, actor: Actor) {
    const own = parseId('per', personId);
    if (own === undefined) throw new AppError('person.not_found');
    const uuid = newUuid(this.clock.nowMs());
    const id = formatId('req', uuid);
    await this.tenants.recordAccess(actor, tenantId, 'person.erasure_ordered', personId, { id });
    const personIds = await this.groupOf(tenantId, personId, actor);
    const hashes = [...new Set([personId, ...personIds])].map((linked) => parseId('per', linked)!);
    const personHashes = hashes.map((hash) => hash.toString('hex'));
    const sent = await this.eraseSent({ tenantId, actorId: actor.id, personHashes });
    const { erasure } = await this.events.intake.erasePerson(
      { tenantId, id: uuid, actor: actor.id, personHashes: hashes },
      this.events.act,
    );
    const known = await this.compliance.persons.erasePerson(
      { tenantId, actorId: actor.id, personId },
      this.compliance.call,
    );
    const elsewhere = [...rowsOf('dispatcher', sent.erased), ...rowsOf('compliance', known.erased)];
    const log = { ...erasure!, id: uuid, personHashes: hashes };
    const { receipt, hash, signature } = await this.sign.run(erasureReceipt(tenantId, log, elsewhere));
    const detail = { id, hash, erased: receipt.erased };
    const auditId = await this.tenants.recordAccess(actor, tenantId, 'person.erased', personId, detail);
    return { receipt, hash, auditId, signature };
  }

  /** Before the log: until dispatcher answers, contents may still be on their way there. */
  private async eraseSent(request: ErasePersonRequest): Promise<ErasePersonResponse> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.dispatcher.erasures.erasePerson(request, this.dispatcher.long);
      } catch (error) {
        const isWorthIt = error instanceof AppError && error.code === 'service.deadline';
        if (!isWorthIt || tries === DISPATCHER_TRIES_MAX) throw error;
      }
    }
  }

  /** Linking a person with nobody new changes nobody's group, and tells who is in it. */
  private async groupOf(tenantId: string, personId: string, actor: Actor): Promise<string[]> {
    const answer = await this.compliance.persons.linkPersons(
      { tenantId, actorId: actor.id, personId, addresses: [], personIds: [] },
      this.compliance.call,
    );
    return answer.personIds;
  }
}
