import type { Clock } from '@posthorn/clock/clock.js';
import { idOfUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { auditActor, type AuditActor, type AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { mergePolicy } from '../domain/sending-rules/parse-policy.js';
import type { PolicyStore, StoredPolicy } from '../persistence/policy.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';

const JSON_BYTES_MAX = 65_536;

/** Writes a new version of a tenant's sending rules; the next permit is decided by it. */
export class PutPolicy {
  constructor(
    private readonly db: Database,
    private readonly policies: PolicyStore,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly tenants: EdgeTenants,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** @throws AppError `request.invalid`, `policy.conflict`, `principal.forbidden`. */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly principal?: AuditActor | undefined;
    readonly policyJson: string;
    readonly expectedVersion: number;
    readonly isOperator: boolean;
    /** Says what would be written, or why not, and writes nothing. */
    readonly dryRun?: boolean | undefined;
  }): Promise<StoredPolicy> {
    const { actorId, expectedVersion, isOperator, dryRun = false } = request;
    if (actorId === '') throw invalid('actorId', 'is missing');
    const tenantId = this.tenants.uuidOf(request.tenantId);
    const value = parse(request.policyJson);
    const actor = auditActor(request.principal, actorId);
    const stored = await this.db.transaction(async (tx) => {
      const current = await this.policies.inForce(tx, tenantId);
      if (current.version !== expectedVersion) throw conflict(current.version);
      const policy = mergePolicy(current.policy, value, isOperator ? 'operator' : 'tenant');
      const next = { version: current.version + 1, policy, actorId, createdAtMs: this.clock.nowMs() };
      if (dryRun) return next;
      if (!(await this.policies.add(tx, tenantId, next))) throw conflict(next.version);
      // Each version is kept: its number leads to what it says.
      const detail = { before: { version: current.version }, after: { version: next.version } };
      const act = { action: 'policy.replaced', target: idOfUuid('ten', tenantId), detail };
      await this.audit.add(tx, [{ tenantId, actor, ...act }]);
      return next;
    });
    if (dryRun) return stored;
    this.log.info({ actorId, version: String(stored.version), outcome: 'written' }, 'policy by hand');
    return stored;
  }
}

function parse(json: string): unknown {
  if (json.length > JSON_BYTES_MAX) throw invalid('policy', `at most ${JSON_BYTES_MAX} bytes`);
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new AppError('request.malformed', { cause });
  }
}

const conflict = (version: number): AppError =>
  new AppError('policy.conflict', { detail: `version ${version} is in force: read it first` });
