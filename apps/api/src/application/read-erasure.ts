import { formatId } from '@posthorn/clock/id.js';
import { type Erasure } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { type EventsClient } from '../clients/events.client.js';
import { type TenantsClient } from '../clients/tenants.client.js';
import { type ErasedRows, type ErasureReceipt, erasureReceipt } from '../domain/erasure-receipt.js';
import { type SignedReceipt, type SignReceipt } from './sign-receipt.js';

/** Erasures of one person, newest first. */
const ENTRIES_MAX = 50;

/** An erasure as far as it is, with a receipt that says what is open, or that nothing is. */
export interface ToldErasure extends SignedReceipt<ErasureReceipt> {
  readonly log: Erasure;
  /** Of the entry that says that the other services have answered; null without. */
  readonly auditId: string | null;
}

/** Tells how far an erasure is: the log by what events has of it, the others by the entry that was written when they had answered. */
export class ReadErasure {
  constructor(
    private readonly events: Pick<EventsClient, 'intakeQuery' | 'read'>,
    private readonly tenants: Pick<TenantsClient, 'admin' | 'read'>,
    private readonly sign: Pick<SignReceipt, 'run'>,
  ) {}

  /** @param id 16 bytes. @throws AppError `request.not_found` */
  async run(tenantId: string, id: Buffer): Promise<ToldErasure> {
    const { erasure } = await this.events.intakeQuery.getErasure({ tenantId, id }, this.events.read);
    const log = erasure!;
    const entry = await this.entryOf(tenantId, log);
    const signed = await this.sign.run(erasureReceipt(tenantId, log, entry?.elsewhere));
    return { ...signed, log, auditId: entry?.auditId ?? null };
  }

  private async entryOf(
    tenant: string,
    { id, personHashes }: Erasure,
  ): Promise<{ auditId: string; elsewhere: ErasedRows[] } | undefined> {
    // The one that was asked for stands first; an older events does not tell any.
    const [person] = personHashes;
    if (person === undefined) return undefined;
    const target = formatId('per', person);
    const request = { tenant, limit: ENTRIES_MAX, cursor: '', action: 'person.erased', target };
    const { entries } = await this.tenants.admin.listAudit(request, this.tenants.read);
    for (const entry of entries) {
      const detail = JSON.parse(entry.detailJson) as { id?: unknown; erased?: readonly ErasedRows[] };
      if (detail.id !== formatId('req', id)) continue;
      const elsewhere = (detail.erased ?? []).filter(({ service }) => service !== 'events');
      return { auditId: entry.id, elsewhere };
    }
    return undefined;
  }
}
