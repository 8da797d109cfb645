import { idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { type Clock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type Actor, PLATFORM_ID } from '../domain/actor.js';
import { AUDIT_ACTION, AUDIT_TEXT_LENGTH_MAX, isAuditDetail, isAuditText } from '../domain/audit-entry.js';
import { FieldErrors } from '../domain/field-errors.js';
import { type AuditStore } from '../persistence/audit.store.js';
import { type TenantStore } from '../persistence/tenant.store.js';

/** Notes that somebody is about to see personal data. Answered before it is shown: an access without an entry does not happen. */
export class RecordAccess {
  constructor(
    private readonly db: Database,
    private readonly tenants: TenantStore,
    private readonly audits: AuditStore,
    private readonly clock: Clock,
  ) {}

  /**
   * @param tenant ID or slug; empty: what concerns the platform. @param target the public ID of what is shown. @param detailJson one JSON object; empty: none.
   * @returns `aud_…`. @throws AppError `request.invalid`, `tenant.not_found`
   */
  async run(
    actor: Actor,
    tenant: string,
    action: string,
    target: string,
    detailJson: string,
  ): Promise<string> {
    const detail = detailJson === '' ? '{}' : detailJson;
    const errors = new FieldErrors();
    errors.require(AUDIT_ACTION.test(action), 'action', 'a noun and a verb, such as payload.read');
    errors.require(
      target !== '' && isAuditText(target, AUDIT_TEXT_LENGTH_MAX),
      'target',
      `1 to ${AUDIT_TEXT_LENGTH_MAX} characters`,
    );
    errors.require(isAuditDetail(detail), 'detail', 'one JSON object, and not a large one');
    errors.throwIfAny();
    const tenantId = tenant === '' ? PLATFORM_ID : (await this.tenants.get(this.db, tenant)).tenantId;
    const atMs = this.clock.nowMs();
    const auditId = uuidText(newUuid(atMs));
    const entry = { auditId, atMs, actor, action, target, detailJson: detail };
    await this.db.transaction((tx) => this.audits.insert(tx, tenantId, entry));
    return idOfUuid('aud', auditId);
  }
}
