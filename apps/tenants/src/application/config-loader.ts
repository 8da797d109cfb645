import { type Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type ConfigKind } from '../domain/config-kind.js';
import {
  type ConfigDestination,
  type ConfigPage,
  type ConfigPersonKey,
  type ConfigSecret,
  type ConfigSource,
  type ConfigTenant,
  emptyPage,
  PAGE_OBJECTS_MAX,
} from '../domain/config-page.js';
import { edgeWeeks } from '../domain/data-key-week.js';
import {
  type ConfigRead,
  type DestinationConfigRow,
  FIRST_PAGE,
  type PageStart,
  type SourceConfigRow,
  type TenantConfigRow,
} from '../persistence/config.read.js';
import { type ConfigChanges } from '../persistence/config.store.js';
import { type WrappedDataKey, type WrappedKey } from '../persistence/key.store.js';
import { type WrappedPersonKey } from '../persistence/person-key.store.js';
import { type SecretVault } from './secret-vault.js';

/** IDs only. */
const DELETED_PER_PAGE_MAX = 1_000;

/** Reads configuration for the edge and opens what is sealed. */
export class ConfigLoader {
  constructor(
    private readonly read: ConfigRead,
    private readonly vault: SecretVault,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Everything of some kinds, in bounded pages without a version. */
  async *snapshot(kinds: readonly ConfigKind[]): AsyncGenerator<ConfigPage> {
    const wants = (...wanted: ConfigKind[]): boolean => wanted.some((kind) => kinds.includes(kind));
    if (wants('tenants', 'hash_keys', 'data_keys')) yield* this.tenantPages();
    if (wants('tenants')) yield* this.deletedPages();
    if (wants('tenants')) yield { ...emptyPage(0n), platform: await this.read.platform() };
    if (wants('sources', 'source_settings', 'send_credentials')) yield* this.sourcePages();
    if (wants('destinations')) yield* this.destinationPages();
  }

  /** The objects of some changes as they are now: what is not found is gone. */
  async changes({ version, changes }: ConfigChanges): Promise<ConfigPage> {
    const of = (object: string) => changes.filter((change) => change.object === object);
    const idsOf = (object: string) => [...new Set(of(object).map(({ objectId }) => objectId))];
    const ownersOf = (object: string) => {
      const byId = new Map(of(object).map((change) => [change.objectId, change.tenantId]));
      return [[...byId.values()], [...byId.keys()]] as const;
    };
    const [tenantIds, sources, destinations] = [idsOf('tenant'), ownersOf('source'), ownersOf('destination')];
    const tenantRows = await this.read.tenants(tenantIds);
    const sourceRows = await this.read.sources(...sources);
    const destinationRows = await this.read.destinations(...destinations);
    const gone = (ids: readonly string[], found: readonly string[]) => {
      const known = new Set(found);
      return ids.filter((id) => !known.has(id));
    };
    return {
      version,
      isSnapshotComplete: false,
      platform: of('platform').length === 0 ? undefined : await this.read.platform(),
      tenants: await this.openTenants(tenantRows),
      sources: await this.openSources(sourceRows),
      destinations: await this.openDestinations(destinationRows),
      deletedTenantIds: gone(
        tenantIds,
        tenantRows.map((row) => row.tenantId),
      ),
      deletedSourceIds: gone(
        sources[1],
        sourceRows.map((row) => row.sourceId),
      ),
      deletedDestinationIds: gone(
        destinations[1],
        destinationRows.map((row) => row.destinationId),
      ),
    };
  }

  private async *tenantPages(): AsyncGenerator<ConfigPage> {
    let after = FIRST_PAGE[0];
    for (;;) {
      const rows = await this.read.tenantPage(after, PAGE_OBJECTS_MAX);
      if (rows.length > 0) yield { ...emptyPage(0n), tenants: await this.openTenants(rows) };
      if (rows.length < PAGE_OBJECTS_MAX) return;
      after = rows.at(-1)!.tenantId;
    }
  }

  private async *deletedPages(): AsyncGenerator<ConfigPage> {
    let after = FIRST_PAGE[0];
    for (;;) {
      const deletedTenantIds = await this.read.deletedPage(after, DELETED_PER_PAGE_MAX);
      if (deletedTenantIds.length > 0) yield { ...emptyPage(0n), deletedTenantIds };
      if (deletedTenantIds.length < DELETED_PER_PAGE_MAX) return;
      after = deletedTenantIds.at(-1)!;
    }
  }

  private async *sourcePages(): AsyncGenerator<ConfigPage> {
    let after: PageStart = FIRST_PAGE;
    for (;;) {
      const rows = await this.read.sourcePage(after, PAGE_OBJECTS_MAX);
      if (rows.length > 0) yield { ...emptyPage(0n), sources: await this.openSources(rows) };
      if (rows.length < PAGE_OBJECTS_MAX) return;
      after = [rows.at(-1)!.tenantId, rows.at(-1)!.sourceId];
    }
  }

  private async *destinationPages(): AsyncGenerator<ConfigPage> {
    let after: PageStart = FIRST_PAGE;
    for (;;) {
      const rows = await this.read.destinationPage(after, PAGE_OBJECTS_MAX);
      if (rows.length > 0) yield { ...emptyPage(0n), destinations: await this.openDestinations(rows) };
      if (rows.length < PAGE_OBJECTS_MAX) return;
      after = [rows.at(-1)!.tenantId, rows.at(-1)!.destinationId];
    }
  }

  private async openTenants(rows: readonly TenantConfigRow[]): Promise<ConfigTenant[]> {
    const ids = rows.map(({ tenantId }) => tenantId);
    const dataKeys = await this.read.dataKeys(ids, edgeWeeks(this.clock.nowMs()));
    const byTenant = new Map<string, WrappedDataKey[]>(ids.map((tenantId) => [tenantId, []]));
    for (const key of dataKeys) byTenant.get(key.tenantId)!.push(key);
    const personKeys = await this.read.personKeys(ids);
    return rows.map(({ optOutWords, optInWords, helpWords, ...row }) => {
      const { hashKeyId, hashKeyWrapped, recordKeyId, recordKeyWrapped, ...tenant } = row;
      return {
        ...tenant,
        keywords: { optOut: optOutWords ?? [], optIn: optInWords ?? [], help: helpWords ?? [] },
        hashKey: this.openKey(tenant.tenantId, hashKeyId, hashKeyWrapped),
        recordKey:
          recordKeyId === null
            ? undefined
            : { keyId: recordKeyId, key: this.openKey(tenant.tenantId, recordKeyId, recordKeyWrapped) },
        dataKeys: byTenant.get(tenant.tenantId)!.flatMap((wrapped) => {
          const { keyId, weekStartDay, generation } = wrapped;
          const key = this.openOrReport(tenant.tenantId, () => this.vault.openKey(tenant.tenantId, wrapped));
          return key === undefined ? [] : [{ keyId, weekStartDay, generation, key }];
        }),
        personKeys: this.openPersonKeys(personKeys.filter(({ tenantId }) => tenantId === tenant.tenantId)),
      };
    });
  }

  /** A key of which a tenant has one. */
  private openKey(tenantId: string, keyId: string | null, wrapped: Buffer | null): Buffer | undefined {
    if (keyId === null || wrapped === null) return undefined;
    return this.openOrReport(tenantId, () => this.vault.openKey(tenantId, { keyId, wrapped }));
  }

  private openPersonKeys(wrapped: readonly WrappedPersonKey[]): ConfigPersonKey[] {
    return wrapped.flatMap((each) => {
      const key = this.openOrReport(each.tenantId, () => this.vault.openKey(each.tenantId, each));
      return key === undefined ? [] : [{ generation: each.generation, key }];
    });
  }

  private async openSources(rows: readonly SourceConfigRow[]): Promise<ConfigSource[]> {
    const secrets = await this.openSecrets(rows.map((row) => ({ ...row, ownerId: row.sourceId })));
    return rows.map((row) => {
      const { sourceId, tenantId, provider, settingsJson, status, credentialsSealed } = row;
      return {
        ...{ sourceId, tenantId, provider, settingsJson, status },
        secrets: secrets.get(sourceId) ?? [],
        credentialsJson:
          credentialsSealed === null
            ? undefined
            : this.openOrReport(tenantId, () =>
                this.vault.open(tenantId, keyOf(row), sourceId, credentialsSealed),
              ),
      };
    });
  }

  private async openDestinations(rows: readonly DestinationConfigRow[]): Promise<ConfigDestination[]> {
    const secrets = await this.openSecrets(rows.map((row) => ({ ...row, ownerId: row.destinationId })));
    return rows.flatMap((row) => {
      const headersJson = this.openOrReport(row.tenantId, () =>
        this.vault.open(row.tenantId, keyOf(row), row.destinationId, row.headersSealed),
      );
      // Without its headers a delivery could be refused by the destination for good; better none.
      if (headersJson === undefined) return [];
      return [{ ...row, headersJson, secrets: secrets.get(row.destinationId) ?? [] }];
    });
  }

  private async openSecrets(
    owners: readonly { readonly tenantId: string; readonly ownerId: string }[],
  ): Promise<Map<string, ConfigSecret[]>> {
    const rows = await this.read.secrets(
      owners.map(({ tenantId }) => tenantId),
      owners.map(({ ownerId }) => ownerId),
      this.clock.nowMs(),
    );
    const secrets = new Map<string, ConfigSecret[]>();
    for (const row of rows) {
      const { tenantId, secretId, ownerId, sealed, status, expiresAtMs } = row;
      const value = this.openOrReport(tenantId, () =>
        this.vault.open(tenantId, keyOf(row), secretId, sealed),
      );
      if (value === undefined) continue;
      const known = secrets.get(ownerId);
      const secret = { secretId, value, status, expiresAtMs };
      if (known === undefined) secrets.set(ownerId, [secret]);
      else known.push(secret);
    }
    return secrets;
  }

  /** One value that cannot be opened must not take the configuration of everybody with it. */
  private openOrReport<T>(tenantId: string, open: () => T): T | undefined {
    try {
      return open();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.log.error({ tenantId, code: error.code }, 'a sealed value cannot be opened');
      return undefined;
    }
  }
}

interface KeyColumns {
  readonly tenantId: string;
  readonly secretKeyId: string;
  readonly secretKeyWrapped: Buffer;
}

const keyOf = ({ secretKeyId, secretKeyWrapped }: KeyColumns): WrappedKey => ({
  keyId: secretKeyId,
  wrapped: secretKeyWrapped,
});
