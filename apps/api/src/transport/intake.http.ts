import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { ListRetentionRuns } from '../application/list-retention-runs.js';
import { EventsClient } from '../clients/events.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf } from './applied.js';
import {
  drift,
  driftField,
  driftFieldOf,
  driftFieldsQuery,
  driftOf,
  driftQuery,
  quarantined,
  quarantinedOf,
  quarantineFilterOf,
  quarantineQuery,
  quarantineRetried,
  refusal,
  refusalOf,
  refusalsQuery,
  retentionRun,
  retentionRunOf,
  retryQuarantine,
  reverification,
} from './intake.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, type Page, page, pageOf } from './shapes.dto.js';

const TENANT = '/v1/tenants/{tenant}';
const QUARANTINE = `${TENANT}/quarantine`;
const read = { principal: 'tenant', scope: 'events:read' } as const;

/** What intake did not let in, not understand, not process, and does not keep any more. */
@Controller()
export class IntakeController {
  constructor(
    private readonly events: EventsClient,
    private readonly tenants: TenantsClient,
    private readonly retention: ListRetentionRuns,
  ) {}

  @Route({
    method: 'GET',
    path: `${TENANT}/refusals`,
    tag: 'Intake',
    summary: 'Requests that were refused for their signature in the last 72 hours, newest first',
    access: read,
    query: refusalsQuery,
    status: 200,
    response: listOf(refusal),
  })
  async refusals(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof refusalsQuery>>) {
    const answer = await this.events.intakeQuery.listRefusals(
      { ...pageFor(tenant.id, query), sourceId: query.source ?? '' },
      this.events.read,
    );
    return pageOf(answer.refusals, refusalOf, answer.nextCursor);
  }

  @Route({
    method: 'POST',
    path: `${TENANT}/sources/{id}/refusals/reverify`,
    tag: 'Intake',
    summary:
      'Judge the kept refusals of a source again, as after a change of its secret; those that pass are let in',
    access: { principal: 'tenant', scope: 'sources:write' },
    status: 202,
    response: reverification,
    errors: ['source.not_found'],
  })
  async reverify(@CallOf() call: Call) {
    const [tenantId, sourceId] = [call.tenant.id, call.params['id']!];
    await this.tenants.source(tenantId, sourceId);
    const request = { tenantId, sourceId, principal: actorOf(call) };
    const answer = await this.events.intake.requestReverification(request, this.events.act);
    return { requests: answer.requests };
  }

  @Route({
    method: 'GET',
    path: `${TENANT}/drift`,
    tag: 'Intake',
    summary: 'What came that nobody understood, by provider and kind; the newest first seen first',
    access: read,
    query: driftQuery,
    status: 200,
    response: listOf(drift),
  })
  async drift(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof driftQuery>>) {
    const answer = await this.events.intakeQuery.listDrift(
      { ...pageFor(tenant.id, query), provider: query.provider ?? '' },
      this.events.read,
    );
    return pageOf(answer.drift, driftOf, answer.nextCursor);
  }

  @Route({
    method: 'GET',
    path: `${TENANT}/drift/fields`,
    tag: 'Intake',
    summary:
      "Fields of bodies that were understood which differ from the kind's first ones; the newest first seen first",
    access: read,
    query: driftFieldsQuery,
    status: 200,
    response: listOf(driftField),
  })
  async driftFields(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof driftFieldsQuery>>) {
    const { provider = '', kind = '', change = '' } = query;
    const answer = await this.events.intakeQuery.listDriftFields(
      { ...pageFor(tenant.id, query), provider, kind, change },
      this.events.read,
    );
    return pageOf(answer.fields, driftFieldOf, answer.nextCursor);
  }

  @Route({
    method: 'GET',
    path: QUARANTINE,
    tag: 'Intake',
    summary: 'Events that could not be processed, or that the schema of their source set aside, newest first',
    access: read,
    query: quarantineQuery,
    status: 200,
    response: listOf(quarantined),
  })
  async quarantine(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof quarantineQuery>>) {
    const { source: sourceId = '', type = '', from: fromMs, to: toMs } = query;
    const filter = { eventIds: [], sourceId, type, fromMs, toMs };
    const answer = await this.events.intakeQuery.listQuarantine(
      { ...pageFor(tenant.id, query), filter },
      this.events.read,
    );
    return pageOf(answer.events, quarantinedOf, answer.nextCursor);
  }

  @Route({
    method: 'POST',
    path: `${QUARANTINE}/retry`,
    tag: 'Intake',
    summary: 'Process quarantined events again, at most 1,000 a call',
    access: { principal: 'tenant', scope: 'replays:write' },
    body: retryQuarantine,
    status: 202,
    response: quarantineRetried,
    errors: ['limit.reached'],
  })
  async retry(@CallOf() call: Call<z.infer<typeof retryQuarantine>>) {
    const [tenantId, filter] = [call.tenant.id, quarantineFilterOf(call.body.filter)];
    const principal = actorOf(call);
    const answer = await this.events.intake.retryQuarantine({ tenantId, filter, principal }, this.events.act);
    return { ...answer, reprocessingId: answer.reprocessingId ?? null };
  }

  @Route({
    method: 'GET',
    path: `${TENANT}/retention-runs`,
    tag: 'Intake',
    summary: 'What retention took away, newest first',
    access: { principal: 'tenant', scope: 'policies:read' },
    query: page,
    status: 200,
    response: listOf(retentionRun),
  })
  async retentionRuns(@CallOf() { tenant, query }: Call<unknown, Page>) {
    const { items, nextCursor } = await this.retention.run(tenant.id, pageFor(tenant.id, query));
    return pageOf(items, retentionRunOf, nextCursor);
  }
}

const pageFor = (tenantId: string, { limit, cursor = '' }: Page) => ({ tenantId, limit, cursor });
