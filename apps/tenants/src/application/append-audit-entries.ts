import { newUuid, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { type Clock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type Actor, PLATFORM_ID } from '../domain/actor.js';
import {
  AUDIT_ACTION,
  AUDIT_TEXT_LENGTH_MAX,
  type AuditEntry,
  isAuditDetail,
  isAuditText,
} from '../domain/audit-entry.js';
import { invalidField } from '../domain/field-errors.js';
import { type AuditStore } from '../persistence/audit.store.js';
import { type TenantStore } from '../persistence/tenant.store.js';

/** An entry as another service committed it. */
export interface ServiceEntry {
  readonly number: bigint;
  /** `ten_…`; empty: the platform's log. */
  readonly tenantId: string;
  readonly atMs: number;
  readonly actor: Actor;
  readonly action: string;
  readonly target: string;
  readonly detailJson: string;
}

export const SERVICE_ENTRIES_MAX = 500;

/**
 * Takes audit entries that other services committed with their own acts. Each is taken once, whatever is repeated; one
 * that can never be taken does not hold up its neighbours.
 */
export class AppendAuditEntries {
  constructor(
    private readonly db: Database,
    private readonly tenants: TenantStore,
    private readonly audits: AuditStore,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * @param service the caller that the certificate names.
   * @returns the numbers of entries that can never be taken.
   * @throws AppError `request.invalid` for too many
   */
  async run(service: string, entries: readonly ServiceEntry[]): Promise<bigint[]> {
    if (entries.length > SERVICE_ENTRIES_MAX)
      throw invalidField('entries', `at most ${SERVICE_ENTRIES_MAX} at once`);
    const known = await this.knownTenants(entries);
    const byTenant = new Map<string, Map<string, AuditEntry>>();
    const refused: bigint[] = [];
    for (const entry of entries) {
      const tenantId = tenantOf(entry);
      if (tenantId === undefined || !known.has(tenantId) || !isTakeable(entry)) {
        refused.push(entry.number);
        continue;
      }
      const own = byTenant.get(tenantId) ?? new Map<string, AuditEntry>();
      byTenant.set(tenantId, own);
      const made = this.entryOf(service, entry);
      own.set(made.origin, made);
    }
    await this.db.transaction(async (tx) => {
      for (const tenantId of [...byTenant.keys()].sort())
        await this.audits.append(tx, tenantId, [...byTenant.get(tenantId)!.values()]);
    });
    if (refused.length > 0)
      this.log.error({ service, count: refused.length, sequence: refused[0]! }, 'audit entries were refused');
    return refused;
  }

  private async knownTenants(entries: readonly ServiceEntry[]): Promise<ReadonlySet<string>> {
    const ids = [...new Set(entries.map(tenantOf))].filter((id) => id !== undefined);
    return new Set([PLATFORM_ID, ...(await this.tenants.everKnown(this.db, ids))]);
  }

  private entryOf(service: string, entry: ServiceEntry): AuditEntry {
    const { number, atMs, actor, action, target, detailJson } = entry;
    return {
      auditId: uuidText(newUuid(this.clock.nowMs())),
      atMs: Math.floor(atMs),
      ...{ actor, action, target, detailJson },
      origin: `${service}:${number}`,
    };
  }
}

const tenantOf = ({ tenantId }: ServiceEntry): string | undefined =>
  tenantId === '' ? PLATFORM_ID : uuidOfId('ten', tenantId);

/** Year 3000: beyond it a clock was wrong. */
const AT_MS_MAX = 32_503_680_000_000;
const ACTOR_KINDS: readonly string[] = ['operator', 'tenant', 'service'];

function isTakeable({ atMs, actor, action, target, detailJson }: ServiceEntry): boolean {
  const texts = [actor.id, actor.remoteAddress, target];
  return (
    atMs > 0 &&
    atMs < AT_MS_MAX &&
    ACTOR_KINDS.includes(actor.kind) &&
    actor.id !== '' &&
    texts.every((text) => isAuditText(text, AUDIT_TEXT_LENGTH_MAX)) &&
    AUDIT_ACTION.test(action) &&
    isAuditDetail(detailJson)
  );
}
