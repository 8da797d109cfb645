import { Controller } from '@nestjs/common';
import { parseId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type z } from 'zod';
import { ErasePerson } from '../application/erase-person.js';
import { ExplainPerson } from '../application/explain-person.js';
import { ReadErasure } from '../application/read-erasure.js';
import { ComplianceClient } from '../clients/compliance.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf, askedBy } from './applied.js';
import {
  erasure,
  erasureOf,
  erasureReceipt,
  linked,
  linkPersons,
  lookup,
  person,
  personStep,
  personStepOf,
} from './people.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, type Page, page, pageOf } from './shapes.dto.js';
import { suppressionOf } from './suppressions.dto.js';

const BASE = '/v1/tenants/{tenant}/people';
const write = { principal: 'tenant', scope: 'people:write' } as const;
const read = { principal: 'tenant', scope: 'people:read' } as const;

/** People: found by an address, which stands in no path or query. */
@Controller()
export class PeopleController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly compliance: ComplianceClient,
    private readonly explain: ExplainPerson,
    private readonly erasing: ErasePerson,
    private readonly erasures: ReadErasure,
  ) {}

  @Route({
    method: 'POST',
    path: `${BASE}/lookup`,
    tag: 'People',
    summary: 'Who is at an address, who is linked, and what stops messages to them',
    access: read,
    body: lookup,
    status: 200,
    response: person,
  })
  async lookup(@CallOf() call: Call<z.infer<typeof lookup>>) {
    const answer = await this.compliance.personQuery.lookupPerson(
      {
        tenantId: call.tenant.id,
        address: call.body.address,
        personId: '',
        channel: call.body.channel ?? '',
      },
      this.compliance.call,
    );
    await this.tenants.recordAccess(actorOf(call), call.tenant.id, 'person.looked_up', answer.personId);
    return {
      id: answer.personId,
      linkedPersonIds: answer.linkedPersonIds,
      suppressions: answer.suppressions.map(suppressionOf),
    };
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}/timeline`,
    tag: 'People',
    summary:
      'All that happened to one person and those linked, newest first: events, signals, decisions with their rules, sends',
    access: read,
    query: page,
    status: 200,
    response: listOf(personStep),
    errors: ['person.not_found'],
  })
  async timeline(@CallOf() call: Call<unknown, Page>) {
    const { tenant, query } = call;
    const [personId, { limit, cursor = '' }] = [call.params['id']!, query];
    const { items, nextCursor } = await this.explain.run(tenant.id, personId, { cursor, limit });
    await this.tenants.recordAccess(actorOf(call), tenant.id, 'person.timeline_read', personId);
    return pageOf(items, personStepOf, nextCursor);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/link`,
    tag: 'People',
    summary: 'Say that these addresses reach one person: an opt-out at one then holds for all',
    access: write,
    body: linkPersons,
    status: 200,
    response: linked,
    errors: ['person.not_found'],
  })
  async link(@CallOf() call: Call<z.infer<typeof linkPersons>>) {
    const personId = call.params['id']!;
    if (parseId('per', personId) === undefined) throw new AppError('person.not_found');
    return this.compliance.persons.linkPersons(
      { ...askedBy(call), personId, ...call.body },
      this.compliance.call,
    );
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/erase`,
    tag: 'People',
    summary:
      'Erase a person and those linked, everywhere; the hash stays, so that what was stopped stays stopped',
    access: write,
    status: 200,
    response: erasureReceipt,
    errors: ['person.not_found'],
  })
  async erase(@CallOf() call: Call) {
    return this.erasing.run(call.tenant.id, call.params['id']!, actorOf(call));
  }

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/erasures/{id}',
    tag: 'People',
    summary: 'How far an erasure is, with its signed receipt: what is open, or that nothing is',
    access: read,
    status: 200,
    response: erasure,
    errors: ['request.not_found'],
  })
  async erasure(@CallOf() { tenant, params }: Call) {
    const id = parseId('req', params['id']!);
    if (id === undefined) throw new AppError('request.not_found');
    return erasureOf(await this.erasures.run(tenant.id, id));
  }
}
