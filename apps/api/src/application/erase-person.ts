import { createHash } from 'node:crypto';
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

/** What went, and where. */
export interface ErasedRows {
  readonly service: string;
  readonly table: string;
  readonly rows: number;
}

/** What was done to a person's data, as it is shown: so its hash can be made again by whoever has it. */
export interface Receipt {
  /** `req_…` */
  readonly id: string;
  /** All that are linked; their data went, too. */
  readonly personIds: readonly string[];
  readonly requestedAt: string;
  /** Null: the log, which is large, goes on with its part. */
  readonly completedAt: string | null;
  readonly erased: readonly ErasedRows[];
}

/** Each waits, as long as dispatcher does, for what it told the log before. */
const DISPATCHER_TRIES_MAX = 2;

/** Erases a person and those linked everywhere, but for the hashes that keep them suppressed. */
export class ErasePerson {
  constructor(
    private readonly events: Pick<EventsClient, 'intake' | 'act'>,
    private readonly compliance: Pick<ComplianceClient, 'persons' | 'call'>,
    private readonly dispatcher: Pick<DispatcherClient, 'erasures' | 'long'>,
    private readonly tenants: Pick<TenantsClient, 'recordAccess'>,
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
    const { requestedAtMs, completedAtMs } = erasure!;
    const receipt: Receipt = {
      ...{ id, personIds, requestedAt: new Date(requestedAtMs).toISOString() },
      completedAt: completedAtMs === 0 ? null : new Date(completedAtMs).toISOString(),
      erased: [
        ...rowsOf('events', erasure!.erased),
        ...rowsOf('dispatcher', sent.erased),
        ...rowsOf('compliance', known.erased),
      ],
    };
    const hash = createHash('sha256').update(JSON.stringify(receipt)).digest('hex');
    const detail = { id, hash, erased: receipt.erased };
    const auditId = await this.tenants.recordAccess(actor, tenantId, 'person.erased', personId, detail);
    return { receipt, hash, auditId };
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

const rowsOf = (
  service: string,
  erased: readonly { readonly table: string; readonly rows: number | bigint }[],
): ErasedRows[] => erased.map(({ table, rows }) => ({ service, table, rows: Number(rows) }));
