import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { VerifyAudit } from '../application/verify-audit.js';
import { TenantsClient } from '../clients/tenants.client.js';
import {
  auditEntry,
  auditEntryOf,
  auditExportQuery,
  auditQuery,
  auditRequest,
  auditVerifyQuery,
  verdict,
} from './audit.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { download, pagesOf } from './rows.dto.js';
import { LIMIT_MAX, listOf, pageOf } from './shapes.dto.js';

const OF_TENANT = '/v1/tenants/{tenant}/audit';
const OF_PLATFORM = '/v1/audit';
/** A deletion is the last act in a tenant's log, and the one that is asked for most. */
const read = { principal: 'tenant', scope: 'audit:read', isForDeleted: true } as const;
const operator = { principal: 'operator', scope: 'platform:read' } as const;
const list = {
  method: 'GET',
  tag: 'Audit',
  query: auditQuery,
  status: 200,
  response: listOf(auditEntry),
} as const;
const exported = {
  method: 'GET',
  tag: 'Audit',
  query: auditExportQuery,
  status: 200,
  download: auditEntry,
} as const;
const verified = {
  method: 'GET',
  tag: 'Audit',
  query: auditVerifyQuery,
  status: 200,
  response: verdict,
} as const;

type Listing = Call<unknown, z.infer<typeof auditQuery>>;
type From = Call<unknown, z.infer<typeof auditExportQuery>>;

/** The audit log of a tenant, and the platform's own: read, taken away, verified. */
@Controller()
export class AuditController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly verification: VerifyAudit,
  ) {}

  @Route({ ...list, path: OF_TENANT, summary: 'Who changed what, newest first', access: read })
  async list(@CallOf() { tenant, query }: Listing) {
    return this.find(tenant.id, query);
  }

  @Route({
    ...exported,
    path: `${OF_TENANT}/export`,
    summary: 'The log as a file, oldest first, with what its chain is made of',
    access: read,
  })
  async export(@CallOf() { tenant, query, accept }: From) {
    return this.file(tenant.id, query.after, accept);
  }

  @Route({
    ...verified,
    path: `${OF_TENANT}/verify`,
    summary: 'Whether an entry was changed or is missing, by the chain and its signed checkpoints',
    access: read,
  })
  async verify(@CallOf() { tenant, query }: From) {
    return this.judge(tenant.id, query.after);
  }

  @Route({ ...list, path: OF_PLATFORM, summary: 'What operators changed, newest first', access: operator })
  async listPlatform(@CallOf() { query }: Listing) {
    return this.find('', query);
  }

  @Route({
    ...exported,
    path: `${OF_PLATFORM}/export`,
    summary: "The platform's log as a file",
    access: operator,
  })
  async exportPlatform(@CallOf() { query, accept }: From) {
    return this.file('', query.after, accept);
  }

  @Route({
    ...verified,
    path: `${OF_PLATFORM}/verify`,
    summary: "Whether an entry of the platform's log was changed or is missing",
    access: operator,
  })
  async verifyPlatform(@CallOf() { query }: From) {
    return this.judge('', query.after);
  }

  private async find(tenant: string, query: z.infer<typeof auditQuery>) {
    const answer = await this.tenants.admin.listAudit(auditRequest(tenant, query), this.tenants.read);
    return pageOf(answer.entries, auditEntryOf, answer.nextCursor);
  }

  private file(tenant: string, after: number, accept: string) {
    const pages = pagesOf(async (afterNumber: bigint) => {
      const answer = await this.tenants.audits.exportAudit(
        { tenant, afterNumber, limit: LIMIT_MAX },
        this.tenants.change,
      );
      return {
        items: answer.entries.map(auditEntryOf),
        next: answer.nextAfterNumber === 0n ? undefined : answer.nextAfterNumber,
      };
    }, BigInt(after));
    return download(accept, 'audit', auditEntry, pages);
  }

  private async judge(tenant: string, after: number): Promise<z.infer<typeof verdict>> {
    const { problem, firstBadNumber, nextAfter, ...found } = await this.verification.run(tenant, after);
    return {
      ...found,
      problem: problem === '' ? null : (problem as 'missing'),
      firstBadNumber: firstBadNumber === 0 ? null : firstBadNumber,
      nextAfter: nextAfter === 0 ? null : nextAfter,
    };
  }
}
