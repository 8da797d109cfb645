import { type Metadata } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type AppendAuditEntriesRequest,
  type AppendAuditEntriesResponse,
  type ExportAuditRequest,
  type ExportAuditResponse,
  type ListAuditRequest,
  type ListAuditResponse,
  type RecordAccessRequest,
  type RecordAccessResponse,
  type VerifyAuditRequest,
  type VerifyAuditResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { callerOfCall } from '@posthorn/server/grpc-service.js';
import { AppendAuditEntries } from '../application/append-audit-entries.js';
import { ReadAudit } from '../application/read-audit.js';
import { RecordAccess } from '../application/record-access.js';
import { VerifyAudit } from '../application/verify-audit.js';
import { type Actor } from '../domain/actor.js';
import { actorOf, auditEntryMessage } from './messages.js';
import { byNumber, listPage, pageLimit } from './page.js';
import { present } from './patch.js';

const SERVICE = 'AuditService';
const APPEND_SERVICE = 'AuditAppendService';

/** Audit logs: what is read of them, proven of them, and added by other services. */
@Controller()
export class AuditController {
  constructor(
    private readonly read: ReadAudit,
    private readonly verify: VerifyAudit,
    private readonly append: AppendAuditEntries,
    private readonly record: RecordAccess,
  ) {}

  @GrpcMethod('AdminService', 'listAudit')
  async listAudit(request: ListAuditRequest): Promise<ListAuditResponse> {
    const { actorId, action, target, fromMs, toMs } = request;
    const filter = present({
      actorId: actorId || undefined,
      action: action || undefined,
      target: target || undefined,
      fromMs: fromMs || undefined,
      toMs: toMs || undefined,
    });
    const { items, nextCursor } = await listPage(request, byNumber(), (page) =>
      this.read.list(request.tenant, filter, page),
    );
    return { entries: items.map(auditEntryMessage), nextCursor };
  }

  @GrpcMethod(SERVICE, 'exportAudit')
  async exportAudit({ tenant, afterNumber, limit: asked }: ExportAuditRequest): Promise<ExportAuditResponse> {
    const limit = pageLimit(asked);
    const entries = await this.read.export(tenant, afterNumber, limit);
    const nextAfterNumber = entries.length < limit ? 0n : entries.at(-1)!.number;
    return { entries: entries.map(auditEntryMessage), nextAfterNumber };
  }

  @GrpcMethod(SERVICE, 'verifyAudit')
  async verifyAudit({ tenant, afterNumber }: VerifyAuditRequest): Promise<VerifyAuditResponse> {
    const verdict = await this.verify.run(await this.read.logOf(tenant), afterNumber);
    const { isValid: valid, outsideCheckpoints, checkpoints, ...rest } = verdict;
    return { valid, checkpoints, outsideCheckpoints, ...rest };
  }

  @GrpcMethod(APPEND_SERVICE, 'appendAuditEntries')
  async appendAuditEntries(
    { entries }: AppendAuditEntriesRequest,
    metadata: Metadata,
  ): Promise<AppendAuditEntriesResponse> {
    const taken = entries.map(({ actor, ...entry }) => ({ ...entry, actor: plainActor(actor) }));
    return { refusedNumbers: await this.append.run(callerOfCall(metadata), taken) };
  }

  @GrpcMethod(APPEND_SERVICE, 'recordAccess')
  async recordAccess(request: RecordAccessRequest): Promise<RecordAccessResponse> {
    const { tenant, action, target, detailJson } = request;
    return { id: await this.record.run(actorOf(request.actor), tenant, action, target, detailJson) };
  }
}

/** Unchecked: an entry that cannot be taken is refused alone. */
const plainActor = (actor: AppendAuditEntriesRequest['entries'][number]['actor']): Actor => ({
  id: actor?.id ?? '',
  kind: (actor?.kind ?? '') as Actor['kind'],
  remoteAddress: actor?.remoteAddress ?? '',
});
