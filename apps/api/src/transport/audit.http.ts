import { Controller } from '@nestjs/common';
import { z } from 'zod';
import { TenantsClient } from '../clients/tenants.client.js';
import { type Call, CallOf, Route } from './route.js';
import { json, listOf, type Page, page, time, timeAt } from './shapes.dto.js';

const auditEntry = z.object({
  id: z.string(),
  at: time,
  actor: z.object({ id: z.string(), kind: z.string(), remoteAddress: z.string() }),
  action: z.string(),
  target: z.string(),
  detail: json,
});

/** The audit log of a tenant. */
@Controller()
export class AuditController {
  constructor(private readonly tenants: TenantsClient) {}

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/audit',
    tag: 'Audit',
    summary: 'Who changed what, newest first',
    access: { principal: 'tenant', scope: 'audit:read' },
    query: page,
    status: 200,
    response: listOf(auditEntry),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, Page>) {
    const answer = await this.tenants.admin.listAudit(
      { tenant: tenant.id, limit: query.limit, cursor: query.cursor ?? '' },
      this.tenants.read,
    );
    return {
      data: answer.entries.map((entry) => ({
        id: entry.id,
        at: timeAt(entry.atMs),
        actor: {
          id: entry.actor?.id ?? '',
          kind: entry.actor?.kind ?? '',
          remoteAddress: entry.actor?.remoteAddress ?? '',
        },
        action: entry.action,
        target: entry.target,
        detail: JSON.parse(entry.detailJson || '{}') as Record<string, unknown>,
      })),
      nextCursor: answer.nextCursor || null,
    };
  }
}
