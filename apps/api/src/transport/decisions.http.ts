import { Controller } from '@nestjs/common';
import { type Decision } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { z } from 'zod';
import { ComplianceClient } from '../clients/compliance.client.js';
import { type Call, CallOf, Route } from './route.js';
import { idOf, json, listOf, moment, page, pageOf, textOf, time, timeAt, timeOf } from './shapes.dto.js';

const KINDS = ['allow', 'deny', 'defer'] as const;
const decisionsQuery = page.extend({
  personId: idOf('per').optional(),
  messageId: idOf('msg').optional(),
  decision: z.enum(KINDS).optional(),
  rule: z.string().max(100).optional(),
  from: moment,
  to: moment,
});
const decision = z.object({
  id: z.string(),
  at: time,
  decision: z.enum(KINDS),
  rule: z.string(),
  detail: z.string().nullable(),
  until: time.nullable(),
  outcome: z.string().nullable().describe('of a permit: open, sent, not_sent, unknown, expired'),
  messageId: z.string(),
  sourceId: z.string().nullable(),
  personId: z.string(),
  channel: z.string(),
  category: z.string(),
  program: z.string().nullable(),
  isReplay: z.boolean(),
  policyVersion: z.number(),
  facts: json.describe('what was known when it was decided'),
});

/** Permits to send: given, refused, deferred. */
@Controller()
export class DecisionsController {
  constructor(private readonly compliance: ComplianceClient) {}

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/decisions',
    tag: 'Decisions',
    summary: 'List decisions about sends, newest first, each with its rule and facts',
    access: { principal: 'tenant', scope: 'decisions:read' },
    query: decisionsQuery,
    status: 200,
    response: listOf(decision),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof decisionsQuery>>) {
    const answer = await this.compliance.decisions.listDecisions(
      {
        ...{ tenantId: tenant.id, limit: query.limit, cursor: query.cursor ?? '' },
        ...{ personId: query.personId ?? '', messageId: query.messageId ?? '' },
        ...{ decision: query.decision ?? '', rule: query.rule ?? '', fromMs: query.from, toMs: query.to },
      },
      this.compliance.call,
    );
    return pageOf(answer.decisions, decisionOf, answer.nextCursor);
  }
}

const decisionOf = (from: Decision): z.infer<typeof decision> => ({
  id: from.id,
  at: timeAt(from.atMs),
  decision: from.decision as 'allow',
  rule: from.rule,
  detail: textOf(from.detail),
  until: timeOf(from.untilMs),
  outcome: textOf(from.outcome),
  messageId: from.messageId,
  sourceId: textOf(from.sourceId),
  personId: from.personId,
  channel: from.channel,
  category: from.category,
  program: textOf(from.program),
  isReplay: from.isReplay,
  policyVersion: from.policyVersion,
  facts: JSON.parse(from.factsJson || '{}') as Record<string, unknown>,
});
