import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { importRows } from '../application/import-rows.js';
import { ComplianceClient } from '../clients/compliance.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf, askedBy } from './applied.js';
import { type Call, CallOf, Route } from './route.js';
import { download, importReport, pagesOf, readRows } from './rows.dto.js';
import { LIMIT_MAX, listOf, pageOf } from './shapes.dto.js';
import {
  correctSuppression,
  createSuppression,
  deleteSuppression,
  exportQuery,
  suppression,
  suppressionExported,
  suppressionExportedOf,
  suppressionOf,
  suppressionRow,
  suppressionRowOf,
  suppressionsQuery,
} from './suppressions.dto.js';
import { type UploadedRow } from './upload.js';

const BASE = '/v1/tenants/{tenant}/suppressions';
const read = { principal: 'tenant', scope: 'suppressions:read' } as const;
const write = { principal: 'tenant', scope: 'suppressions:write' } as const;

/** Who must not be contacted. */
@Controller()
export class SuppressionsController {
  constructor(
    private readonly compliance: ComplianceClient,
    private readonly tenants: TenantsClient,
  ) {}

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Suppressions',
    summary: 'List suppressions, newest first',
    access: read,
    query: suppressionsQuery,
    status: 200,
    response: listOf(suppression),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof suppressionsQuery>>) {
    const answer = await this.find(tenant.id, query, query.limit, query.cursor ?? '');
    return pageOf(answer.suppressions, suppressionOf, answer.nextCursor);
  }

  @Route({
    method: 'GET',
    path: `${BASE}/export`,
    tag: 'Suppressions',
    summary:
      'All suppressions as a file: JSON Lines, or CSV when `Accept` names it; taken by an import as it is',
    access: read,
    query: exportQuery,
    status: 200,
    download: suppressionExported,
  })
  async export(@CallOf() call: Call<unknown, z.infer<typeof exportQuery>>) {
    const { tenant, query, accept } = call;
    await this.tenants.recordAccess(actorOf(call), tenant.id, 'suppressions.exported', tenant.id);
    const pages = pagesOf(async (cursor: string) => {
      const answer = await this.find(tenant.id, query, LIMIT_MAX, cursor);
      return {
        items: answer.suppressions.map(suppressionExportedOf),
        next: answer.nextCursor === '' ? undefined : answer.nextCursor,
      };
    }, '');
    return download(accept, 'suppressions', suppressionExported, pages);
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
  async create(@CallOf() call: Call<z.infer<typeof createSuppression>>) {
    const answer = await this.compliance.suppressions.createSuppression(
      { ...call.body, ...askedBy(call) },
      this.compliance.call,
    );
    return suppressionOf(answer.suppression!);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/import`,
    tag: 'Suppressions',
    summary: 'Suppress many; each row has its own result, and the same file again changes nothing',
    access: write,
    upload: suppressionRow,
    status: 200,
    response: importReport,
  })
  async import(@CallOf() call: Call<UploadedRow[]>) {
    return importRows(readRows(call.body, suppressionRow), async (rows) => {
      const answer = await this.compliance.suppressions.importSuppressions(
        { ...askedBy(call), rows: rows.map(suppressionRowOf) },
        this.compliance.importing,
      );
      return answer.results;
    });
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/correct`,
    tag: 'Suppressions',
    summary: 'End a suppression and make a right one in its place',
    access: write,
    body: correctSuppression,
    status: 200,
    response: suppression,
    errors: ['suppression.not_found'],
  })
  async correct(@CallOf() call: Call<z.infer<typeof correctSuppression>>) {
    const { note, channel = '', scope = '', reason = '' } = call.body;
    const answer = await this.compliance.suppressions.correctSuppression(
      { ...askedBy(call), id: call.params['id']!, note, channel, scope, reason },
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
  async delete(@CallOf() call: Call<unknown, z.infer<typeof deleteSuppression>>) {
    await this.compliance.suppressions.deleteSuppression(
      { ...askedBy(call), id: call.params['id']!, reason: call.query.reason },
      this.compliance.call,
    );
  }

  private find(tenantId: string, filter: z.infer<typeof exportQuery>, limit: number, cursor: string) {
    const { personId = '', reason = '', channel = '', includeLifted } = filter;
    return this.compliance.query.listSuppressions(
      { tenantId, limit, cursor, personId, reason, channel, hasLifted: includeLifted },
      this.compliance.call,
    );
  }
}
