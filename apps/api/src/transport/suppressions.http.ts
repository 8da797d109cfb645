import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { ComplianceClient } from '../clients/compliance.client.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, type Page, page } from './shapes.dto.js';
import { createSuppression, deleteSuppression, suppression, suppressionOf } from './suppressions.dto.js';

const BASE = '/v1/tenants/{tenant}/suppressions';
const read = { principal: 'tenant', scope: 'suppressions:read' } as const;
const write = { principal: 'tenant', scope: 'suppressions:write' } as const;

/** Who must not be contacted. */
@Controller()
export class SuppressionsController {
  constructor(private readonly compliance: ComplianceClient) {}

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Suppressions',
    summary: 'List suppressions, newest first',
    access: read,
    query: page,
    status: 200,
    response: listOf(suppression),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, Page>) {
    const answer = await this.compliance.query.listSuppressions(
      { tenantId: tenant.id, limit: query.limit, cursor: query.cursor ?? '' },
      this.compliance.call,
    );
    return { data: answer.suppressions.map(suppressionOf), nextCursor: answer.nextCursor || null };
  }

  @Route({
    method: 'POST',
    path: BASE,
    tag: 'Suppressions',
    summary: 'Suppress an address',
    access: write,
    body: createSuppression,
    status: 201,
    response: suppression,
  })
  async create(@CallOf() { tenant, principal, body }: Call<z.infer<typeof createSuppression>>) {
    const answer = await this.compliance.suppressions.createSuppression(
      { ...body, tenantId: tenant.id, actorId: principal.keyId },
      this.compliance.call,
    );
    return suppressionOf(answer.suppression!);
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}`,
    tag: 'Suppressions',
    summary: 'Lift a suppression, with a reason',
    access: write,
    query: deleteSuppression,
    status: 204,
    errors: ['suppression.not_found'],
  })
  async delete(
    @CallOf() { tenant, principal, params, query }: Call<unknown, z.infer<typeof deleteSuppression>>,
  ) {
    await this.compliance.suppressions.deleteSuppression(
      { tenantId: tenant.id, actorId: principal.keyId, id: params['id']!, reason: query.reason },
      this.compliance.call,
    );
  }
}
