import { Controller } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import { z } from 'zod';
import { CheckReadiness } from '../application/check-readiness.js';
import { type Call, CallOf, Route } from './route.js';
import { time, timeAt } from './shapes.dto.js';

const check = z.object({
  name: z.enum([
    'active',
    'first_event',
    'signature',
    'secret',
    'deduplication',
    'recognized',
    'processing',
    'stop_handling',
    'dead_letters',
    'alerts',
    'replay',
    'audit',
  ]),
  result: z.enum(['pass', 'fail', 'unknown']),
  why: z.string(),
});
const readiness = z.object({
  sourceId: z.string(),
  checkedAt: time,
  isReady: z.boolean().describe('no check fails; what is unknown is for a person to judge'),
  checks: z.array(check),
});

/** Whether a source may go live. */
@Controller()
export class ReadinessController {
  constructor(
    private readonly readiness: CheckReadiness,
    private readonly clock: Clock,
  ) {}

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/sources/{id}/readiness',
    tag: 'Sources',
    summary: 'The go-live checklist of a source',
    access: { principal: 'tenant', scope: 'sources:read' },
    status: 200,
    response: readiness,
    errors: ['source.not_found'],
  })
  async check(@CallOf() { tenant, params }: Call) {
    const checks = await this.readiness.run(tenant.id, params['id']!);
    const isReady = !checks.some(({ result }) => result === 'fail');
    return { sourceId: params['id']!, checkedAt: timeAt(this.clock.nowMs()), isReady, checks };
  }
}
