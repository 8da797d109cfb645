import { uuidOfId } from '@posthorn/clock/id.js';
import { type Database } from '@posthorn/postgres/database.js';
import { PLATFORM_ID } from '../domain/actor.js';
import { type ChainedEntry } from '../domain/audit-entry.js';
import { type AuditFilter, type AuditRead } from '../persistence/audit.read.js';
import { type ReaderDatabase } from '../persistence/reader-database.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { type PageRequest } from './read-configuration.js';

/** What is read of audit logs: as configuration, by the reader role and one tenant at a time. */
export class ReadAudit {
  constructor(
    private readonly db: Database,
    private readonly reader: ReaderDatabase,
    private readonly tenants: TenantStore,
    private readonly audits: AuditRead,
  ) {}

  /**
   * Whose log it is.
   * @param tenant ID or slug, of a deleted one its ID; empty: the platform's.
   * @throws AppError `tenant.not_found`
   */
  async logOf(tenant: string): Promise<string> {
    if (tenant === '') return PLATFORM_ID;
    const id = uuidOfId('ten', tenant);
    const [known] = id === undefined ? [] : await this.tenants.everKnown(this.db, [id]);
    return known ?? (await this.tenants.get(this.db, tenant)).tenantId;
  }

  /** Newest first. */
  async list(tenant: string, filter: AuditFilter, { before, limit }: PageRequest): Promise<ChainedEntry[]> {
    const tenantId = await this.logOf(tenant);
    return this.reader.tenantTransaction(tenantId, (tx) =>
      this.audits.list(tx, tenantId, filter, before, limit),
    );
  }

  /** Oldest first. */
  async export(tenant: string, after: bigint, limit: number): Promise<ChainedEntry[]> {
    const tenantId = await this.logOf(tenant);
    return this.reader.tenantTransaction(tenantId, (tx) => this.audits.page(tx, tenantId, after, limit));
  }
}
