import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { ComplianceClient } from '../clients/compliance.client.js';
import { askedBy } from './applied.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, pageOf } from './shapes.dto.js';
import { decideReview, review, reviewOf, reviewsQuery } from './suppressions.dto.js';

const BASE = '/v1/tenants/{tenant}/reviews';
const write = { principal: 'tenant', scope: 'suppressions:write' } as const;

/** Opt-outs in people's own words, in force until somebody has judged them. */
@Controller()
export class ReviewsController {
  constructor(private readonly compliance: ComplianceClient) {}

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Suppressions',
    summary: 'What was taken for an opt-out by its words, newest first',
    access: { principal: 'tenant', scope: 'suppressions:read' },
    query: reviewsQuery,
    status: 200,
    response: listOf(review),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof reviewsQuery>>) {
    const answer = await this.compliance.query.listReviews(
      { tenantId: tenant.id, limit: query.limit, cursor: query.cursor ?? '', state: query.state ?? '' },
      this.compliance.call,
    );
    return pageOf(answer.reviews, reviewOf, answer.nextCursor);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/confirm`,
    tag: 'Suppressions',
    summary: 'It was an opt-out. `id` is the event of the message',
    access: write,
    body: decideReview,
    status: 200,
    response: review,
    errors: ['review.not_found'],
  })
  async confirm(@CallOf() call: Call<z.infer<typeof decideReview>>) {
    return this.decide(call, 'confirmed');
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/lift`,
    tag: 'Suppressions',
    summary: 'It was none: its suppression ends. `id` is the event of the message',
    access: write,
    body: decideReview,
    status: 200,
    response: review,
    errors: ['review.not_found'],
  })
  async lift(@CallOf() call: Call<z.infer<typeof decideReview>>) {
    return this.decide(call, 'lifted');
  }

  private async decide(call: Call<z.infer<typeof decideReview>>, state: string) {
    const answer = await this.compliance.suppressions.decideReview(
      { ...askedBy(call), eventId: call.params['id']!, state, note: call.body.note },
      this.compliance.call,
    );
    return reviewOf(answer.review!);
  }
}
