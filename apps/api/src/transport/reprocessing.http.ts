import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { EventsClient } from '../clients/events.client.js';
import { actorOf } from './applied.js';
import { reprocess, reprocessing, reprocessingFilterOf, reprocessingOf } from './reprocessing.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, type Page, page, pageOf } from './shapes.dto.js';

const DRIFT = '/v1/tenants/{tenant}/drift';

/** Has what nobody understood parsed again, and tells how far that is. */
@Controller()
export class ReprocessingController {
  constructor(private readonly events: EventsClient) {}

  @Route({
    method: 'POST',
    path: `${DRIFT}/reprocess`,
    tag: 'Intake',
    summary: 'Parse stored events that were not understood again, as after a fix of a schema; oldest first',
    access: { principal: 'tenant', scope: 'replays:write' },
    body: reprocess,
    status: 202,
    response: reprocessing,
    errors: ['source.not_found', 'limit.reached'],
  })
  async reprocess(@CallOf() call: Call<z.infer<typeof reprocess>>) {
    const [tenantId, filter] = [call.tenant.id, reprocessingFilterOf(call.body.filter)];
    const principal = actorOf(call);
    const answer = await this.events.intake.requestReprocessing(
      { tenantId, filter, principal },
      this.events.act,
    );
    return reprocessingOf(answer.reprocessing!);
  }

  @Route({
    method: 'GET',
    path: `${DRIFT}/reprocessings`,
    tag: 'Intake',
    summary: 'What was asked to be parsed again, and how far it is; newest first',
    access: { principal: 'tenant', scope: 'events:read' },
    query: page,
    status: 200,
    response: listOf(reprocessing),
  })
  async reprocessings(@CallOf() { tenant, query }: Call<unknown, Page>) {
    const { limit, cursor = '' } = query;
    const answer = await this.events.intakeQuery.listReprocessings(
      { tenantId: tenant.id, limit, cursor },
      this.events.read,
    );
    return pageOf(answer.reprocessings, reprocessingOf, answer.nextCursor);
  }
}
