import { Controller } from '@nestjs/common';
import {
  type ConsentQueryServiceController,
  ConsentQueryServiceControllerMethods,
  type ConsentServiceController,
  type ConsentRow,
  ConsentServiceControllerMethods,
  type CreateConsentRequest,
  type CreateConsentResponse,
  type ImportConsentsRequest,
  type ImportConsentsResponse,
  type ListConsentsRequest,
  type ListConsentsResponse,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { ApplyWaiting } from '../application/apply-waiting.js';
import { CreateConsent } from '../application/create-consent.js';
import { importRows, type TakenRow } from '../application/import-rows.js';
import { PermitDrain } from '../application/permit-drain.js';
import { ReadPersons } from '../application/read-persons.js';
import { isUuid } from '../domain/uuid.js';
import { afterOf, badCursor, pageLimit, pageOf } from './page.js';
import { consentMessage } from './persons.dto.js';
import { rowMessage } from './suppressions.dto.js';

/** The history of consent. */
@Controller()
@ConsentQueryServiceControllerMethods()
export class ConsentQueryController implements ConsentQueryServiceController {
  constructor(private readonly read: ReadPersons) {}

  async listConsents(request: ListConsentsRequest): Promise<ListConsentsResponse> {
    const limit = pageLimit(request.limit);
    const after = afterOf(request.cursor);
    if (after !== undefined && !isUuid(after.key)) throw badCursor();
    const found = await this.read.consents(request.tenantId, request.personId, after, limit + 1);
    const { page, nextCursor } = pageOf(found, limit, ({ at, id }) => [at, id]);
    return { consents: page.map(consentMessage), nextCursor };
  }
}

/** Consents entered by hand, or brought from elsewhere: after all that was acknowledged before. */
@Controller()
@ConsentServiceControllerMethods()
export class ConsentController implements ConsentServiceController {
  constructor(
    private readonly waiting: ApplyWaiting,
    private readonly create: CreateConsent,
    private readonly read: ReadPersons,
    private readonly drain: PermitDrain,
  ) {}

  async createConsent(request: CreateConsentRequest): Promise<CreateConsentResponse> {
    await this.waiting.ofTenant(request.tenantId);
    const { id } = await this.create.run({ ...request, personId: '' });
    const entry = await this.read.consent(request.tenantId, id);
    return { consent: entry === undefined ? undefined : consentMessage(entry) };
  }

  async importConsents(request: ImportConsentsRequest): Promise<ImportConsentsResponse> {
    const { tenantId, actorId, principal, rows } = request;
    await this.waiting.ofTenant(tenantId);
    const take = (row: ConsentRow): Promise<TakenRow> =>
      this.create.take({ tenantId, actorId, principal, ...row });
    const results = await importRows(rows, take, (permits) => this.drain.wait(permits));
    return { results: results.map((result) => rowMessage(result, 'evt')) };
  }
}
