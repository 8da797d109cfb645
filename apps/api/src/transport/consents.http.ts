import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { importRows } from '../application/import-rows.js';
import { ComplianceClient } from '../clients/compliance.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { maySeePersonalData } from '../domain/principal.js';
import { actorOf, askedBy } from './applied.js';
import {
  consent,
  consentEntryOf,
  consentOf,
  consentRow,
  consentRowOf,
  consentsExportQuery,
  consentsQuery,
  createConsent,
} from './consents.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { download, importReport, pagesOf, readRows } from './rows.dto.js';
import { LIMIT_MAX, listOf, pageOf } from './shapes.dto.js';
import { type UploadedRow } from './upload.js';

const BASE = '/v1/tenants/{tenant}/consents';
const read = { principal: 'tenant', scope: 'consents:read' } as const;
const write = { principal: 'tenant', scope: 'consents:write' } as const;

/** The history of consent, each entry with its proof. */
@Controller()
export class ConsentsController {
  constructor(
    private readonly compliance: ComplianceClient,
    private readonly tenants: TenantsClient,
  ) {}

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Consents',
    summary: 'List entries, newest first, each with where its person stands now',
    access: read,
    query: consentsQuery,
    status: 200,
    response: listOf(consent),
  })
  async list(@CallOf() { tenant, principal, query }: Call<unknown, z.infer<typeof consentsQuery>>) {
    const answer = await this.compliance.consentQuery.listConsents(
      { tenantId: tenant.id, limit: query.limit, cursor: query.cursor ?? '', personId: query.personId ?? '' },
      this.compliance.call,
    );
    const isProofShown = maySeePersonalData(principal);
    return pageOf(answer.consents, (each) => consentOf(each, isProofShown), answer.nextCursor);
  }

  @Route({
    method: 'GET',
    path: `${BASE}/export`,
    tag: 'Consents',
    summary: 'All entries as a file: JSON Lines, or CSV when `Accept` names it',
    access: read,
    query: consentsExportQuery,
    status: 200,
    download: consent,
  })
  async export(@CallOf() call: Call<unknown, z.infer<typeof consentsExportQuery>>) {
    const isProofShown = maySeePersonalData(call.principal);
    const personId = call.query.personId ?? '';
    await this.tenants.recordAccess(actorOf(call), call.tenant.id, 'consents.exported', call.tenant.id);
    const pages = pagesOf(async (cursor: string) => {
      const answer = await this.compliance.consentQuery.listConsents(
        { tenantId: call.tenant.id, limit: LIMIT_MAX, cursor, personId },
        this.compliance.call,
      );
      return {
        items: answer.consents.map((each) => consentOf(each, isProofShown)),
        next: answer.nextCursor === '' ? undefined : answer.nextCursor,
      };
    }, '');
    return download(call.accept, 'consents', consent, pages);
  }

  @Route({
    method: 'POST',
    path: BASE,
    tag: 'Consents',
    summary: 'Add an entry: a consent, its withdrawal, or that double opt-in was asked for',
    access: write,
    body: createConsent,
    status: 201,
    response: consent,
  })
  async create(@CallOf() call: Call<z.infer<typeof createConsent>>) {
    const answer = await this.compliance.consents.createConsent(
      { ...consentEntryOf(call.body), ...askedBy(call) },
      this.compliance.call,
    );
    return consentOf(answer.consent!, maySeePersonalData(call.principal));
  }

  @Route({
    method: 'POST',
    path: `${BASE}/import`,
    tag: 'Consents',
    summary: 'Add many, also an export; each row has its own result, and the same file again changes nothing',
    access: write,
    upload: consentRow,
    status: 200,
    response: importReport,
  })
  async import(@CallOf() call: Call<UploadedRow[]>) {
    return importRows(readRows(call.body, consentRow), async (rows) => {
      const answer = await this.compliance.consents.importConsents(
        { ...askedBy(call), rows: rows.map(consentRowOf) },
        this.compliance.importing,
      );
      return answer.results;
    });
  }
}
