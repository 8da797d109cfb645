import { type Clock } from '@posthorn/clock/clock.js';
import { uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database, type Tx } from '@posthorn/postgres/database.js';
import { type Destination } from '../domain/destination.js';
import { type ApiKey } from '../domain/scope.js';
import { type Source } from '../domain/source.js';
import { type Tenant } from '../domain/tenant.js';
import { type ApiKeyStore } from '../persistence/api-key.store.js';
import { type DestinationRow, type DestinationStore } from '../persistence/destination.store.js';
import { type KeyStore, type WrappedKey } from '../persistence/key.store.js';
import { type ReaderDatabase } from '../persistence/reader-database.js';
import { type SecretStore } from '../persistence/secret.store.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type TenantDeletion, type TenantStore } from '../persistence/tenant.store.js';
import { type SecretVault } from './secret-vault.js';

/** A page of a list. @param before the last item of the page before, undefined for the first page. */
export interface PageRequest {
  readonly before: string | undefined;
  readonly limit: number;
}

/**
 * What tenants' administrators see. Rows are read by the reader role, one tenant at a time: a forgotten
 * condition shows nothing, instead of somebody else's.
 */
export class ReadConfiguration {
  constructor(
    private readonly db: Database,
    private readonly reader: ReaderDatabase,
    private readonly tenants: TenantStore,
    private readonly apiKeys: ApiKeyStore,
    private readonly sources: SourceStore,
    private readonly destinations: DestinationStore,
    private readonly secrets: SecretStore,
    private readonly keys: KeyStore,
    private readonly vault: SecretVault,
    private readonly clock: Clock,
  ) {}

  /** @param tenant ID or slug. @throws AppError `tenant.not_found` */
  tenant(tenant: string): Promise<Tenant> {
    return this.tenants.get(this.db, tenant);
  }

  /** What became of one that is gone. @param id `ten_…`. @throws AppError `tenant.not_found` */
  deletion(id: string): Promise<TenantDeletion> {
    return this.tenants.deletion(this.db, id);
  }

  /** For operators. */
  listTenants({ before, limit }: PageRequest): Promise<Tenant[]> {
    return this.tenants.list(this.db, before, limit);
  }

  async listApiKeys(tenant: string, { before, limit }: PageRequest): Promise<ApiKey[]> {
    const { tenantId } = await this.tenant(tenant);
    return this.reader.tenantTransaction(tenantId, (tx) => this.apiKeys.list(tx, tenantId, before, limit));
  }

  /** @param id `src_…`. @throws AppError `source.not_found` */
  async source(tenant: string, id: string): Promise<Source> {
    const { tenantId } = await this.tenant(tenant);
    return this.reader.tenantTransaction(tenantId, async (tx) => {
      const row = await this.sources.get(tx, tenantId, uuidOfId('src', id));
      const secrets = await this.secrets.list(tx, tenantId, [row.sourceId], this.clock.nowMs());
      return { ...row, secrets: secrets.get(row.sourceId)! };
    });
  }

  async listSources(tenant: string, { before, limit }: PageRequest): Promise<Source[]> {
    const { tenantId } = await this.tenant(tenant);
    return this.reader.tenantTransaction(tenantId, async (tx) => {
      const rows = await this.sources.list(tx, tenantId, before, limit);
      const ids = rows.map(({ sourceId }) => sourceId);
      const secrets = await this.secrets.list(tx, tenantId, ids, this.clock.nowMs());
      return rows.map((row) => ({ ...row, secrets: secrets.get(row.sourceId)! }));
    });
  }

  /** @param id `dst_…`. @throws AppError `destination.not_found` */
  async destination(tenant: string, id: string): Promise<Destination> {
    const { tenantId } = await this.tenant(tenant);
    return this.withKey(tenantId, async (tx, key) => {
      const row = await this.destinations.get(tx, tenantId, uuidOfId('dst', id));
      const secrets = await this.secrets.list(tx, tenantId, [row.destinationId], this.clock.nowMs());
      return { ...this.opened(tenantId, key, row), secrets: secrets.get(row.destinationId)! };
    });
  }

  async listDestinations(tenant: string, { before, limit }: PageRequest): Promise<Destination[]> {
    const { tenantId } = await this.tenant(tenant);
    return this.withKey(tenantId, async (tx, key) => {
      const rows = await this.destinations.list(tx, tenantId, before, limit);
      const ids = rows.map(({ destinationId }) => destinationId);
      const secrets = await this.secrets.list(tx, tenantId, ids, this.clock.nowMs());
      return rows.map((row) => ({
        ...this.opened(tenantId, key, row),
        secrets: secrets.get(row.destinationId)!,
      }));
    });
  }

  /** Reads once more when nothing opens: between the key and what it seals both may have been renewed. */
  private async withKey<T>(tenantId: string, read: (tx: Tx, key: WrappedKey) => Promise<T>): Promise<T> {
    const once = (): Promise<T> =>
      this.reader.tenantTransaction(tenantId, async (tx) => {
        const key = await this.keys.secretKey(tx, tenantId);
        if (key === undefined) throw new AppError('tenant.not_found');
        return read(tx, key);
      });
    try {
      return await once();
    } catch (error) {
      if (error instanceof AppError && error.code === 'ciphertext.invalid') return once();
      throw error;
    }
  }

  private opened(
    tenantId: string,
    key: WrappedKey,
    { headersSealed, ...row }: DestinationRow,
  ): Omit<Destination, 'secrets'> {
    const headers = JSON.parse(this.vault.open(tenantId, key, row.destinationId, headersSealed)) as object;
    return { ...row, headers: headers as Destination['headers'] };
  }
}
