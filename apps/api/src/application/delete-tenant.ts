import { type Actor, type Applied } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type ComplianceClient } from '../clients/compliance.client.js';
import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';
import { type TenantsClient } from '../clients/tenants.client.js';
import { type SignedReceipt, type SignReceipt } from './sign-receipt.js';

/** What a service has taken away of a deleted tenant. */
export interface PurgedService {
  readonly service: string;
  /** waiting: it has not heard of it. unknown: it did not answer. It goes on by itself until it is done. */
  readonly state: 'waiting' | 'open' | 'done' | 'unknown';
  readonly completedAt: string | null;
  readonly removed: readonly { readonly table: string; readonly rows: number }[];
}

/** What a deleted tenant's receipt says. */
export interface DeletionReceipt {
  readonly type: 'tenant_deletion';
  readonly tenantId: string;
  readonly deletedAt: string;
  /** Null as long as a service is not done. */
  readonly completedAt: string | null;
  /** Every key it had; what they sealed is unreadable, by whatever copy. */
  readonly destroyedKeyIds: readonly string[];
  readonly auditId: string | null;
  /** The services that are not done; their counts are not final. */
  readonly open: readonly string[];
  readonly services: readonly PurgedService[];
}

interface PurgeAnswer {
  readonly state: string;
  readonly completedAtMs: number;
  readonly removed: readonly { readonly table: string; readonly rows: number | bigint }[];
}

/** Deletes a tenant, and tells what became of what it had. */
export class DeleteTenant {
  constructor(
    private readonly tenants: Pick<TenantsClient, 'admin' | 'change' | 'read'>,
    private readonly events: Pick<EventsClient, 'intake' | 'act'>,
    private readonly dispatcher: Pick<DispatcherClient, 'erasures' | 'read'>,
    private readonly compliance: Pick<ComplianceClient, 'persons' | 'call'>,
    private readonly sign: Pick<SignReceipt, 'run'>,
  ) {}

  /**
   * @param tenantId `ten_…`
   * @throws AppError `tenant.not_found`; after any other it may be deleted, and its receipt is there to be asked for.
   */
  async run(
    actor: Actor,
    tenantId: string,
  ): Promise<{ signed: SignedReceipt<DeletionReceipt>; applied: Applied | undefined }> {
    const { applied } = await this.tenants.admin.deleteTenant(
      { actor, tenant: tenantId },
      this.tenants.change,
    );
    return { signed: await this.receipt(tenantId), applied };
  }

  /** The receipt as of now. @throws AppError `tenant.not_found` for one that was not deleted. */
  async receipt(tenantId: string): Promise<SignedReceipt<DeletionReceipt>> {
    const deletion = await this.tenants.admin.getTenantDeletion({ tenantId }, this.tenants.read);
    const services = await Promise.all([
      purged('events', this.events.intake.purgeTenant({ tenantId }, this.events.act)),
      purged('dispatcher', this.dispatcher.erasures.purgeTenant({ tenantId }, this.dispatcher.read)),
      purged('compliance', this.compliance.persons.purgeTenant({ tenantId }, this.compliance.call)),
    ]);
    const open = services.filter(({ state }) => state !== 'done').map(({ service }) => service);
    const ends = services.map(({ completedAt }) => completedAt ?? '').sort();
    return this.sign.run({
      type: 'tenant_deletion',
      tenantId,
      deletedAt: new Date(deletion.deletedAtMs).toISOString(),
      completedAt: open.length > 0 ? null : ends.at(-1)!,
      destroyedKeyIds: deletion.destroyedKeyIds,
      auditId: deletion.auditId === '' ? null : deletion.auditId,
      ...{ open, services },
    });
  }
}

/** One that does not answer keeps nobody from the receipt of the others. */
async function purged(service: string, asked: Promise<PurgeAnswer>): Promise<PurgedService> {
  try {
    const { state, completedAtMs, removed } = await asked;
    return {
      service,
      state: state as PurgedService['state'],
      completedAt: completedAtMs === 0 ? null : new Date(completedAtMs).toISOString(),
      removed: removed.map(({ table, rows }) => ({ table, rows: Number(rows) })),
    };
  } catch {
    return { service, state: 'unknown', completedAt: null, removed: [] };
  }
}
