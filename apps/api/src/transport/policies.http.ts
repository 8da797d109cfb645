import { Controller } from '@nestjs/common';
import { z } from 'zod';
import { PutPolicy } from '../application/put-policy.js';
import { ComplianceClient } from '../clients/compliance.client.js';
import { actorOf, applied, askedBy } from './applied.js';
import { type Call, CallOf, Route } from './route.js';
import { channel, pending, textOf, time, timeOf } from './shapes.dto.js';

const PATH = '/v1/tenants/{tenant}/policies';
const PLACES_MAX = 100;
const CAPS_MAX = 8;
const RETENTION_DAYS_MAX = 3_650;
const ANSWER_DAYS_MAX = 30;
const ANSWER_PROGRAM_MAX = 64;
const ANSWER_CONTACT_MAX = 128;
const ANSWER_TEXT_MAX = 306;
const CAP_COUNT_MAX = 1_000;
const CAP_HOURS_MAX = 24;
const WORDS_MAX = 50;
const WORD_MAX = 40;

const hours = z
  .string()
  .regex(
    /^$|^(?:[01]\d|2[0-3]):[0-5]\d-(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/,
    'must be like 09:00-18:00, or empty',
  )
  .describe('open from-to, in the recipient’s time; empty: closed');
const placeHours = z.strictObject({
  place: z.string().min(2).max(16).describe('country, US state such as US-FL, or `all`'),
  week: z.strictObject({
    sun: hours,
    mon: hours,
    tue: hours,
    wed: hours,
    thu: hours,
    fri: hours,
    sat: hours,
  }),
});
const words = z.array(z.string().trim().min(1).max(WORD_MAX)).max(WORDS_MAX);
const days = z.number().int().min(1).max(RETENTION_DAYS_MAX);
const answerText = z.string().max(ANSWER_TEXT_MAX).optional();
const rules = {
  quietHours: z
    .strictObject({
      hours: z.array(placeHours).max(PLACES_MAX).optional(),
      channels: z
        .array(channel)
        .max(4)
        .optional()
        .describe('that keep to the hours beside sms, chat and push'),
      isTransactionalQuiet: z.boolean().optional(),
    })
    .optional()
    .describe("added to the law's hours: a message goes when both are open"),
  caps: z
    .array(
      z.strictObject({
        count: z.number().int().min(1).max(CAP_COUNT_MAX),
        windowHours: z.number().int().min(1).max(CAP_HOURS_MAX),
      }),
    )
    .max(CAPS_MAX)
    .optional()
    .describe('marketing messages to one person, on all channels together'),
  keywords: z
    .strictObject({ optOut: words.optional(), optIn: words.optional(), help: words.optional() })
    .optional()
    .describe('words that count beside the usual ones, and never change what those mean'),
  retention: z
    .strictObject({ rawDays: days.optional(), contentDays: days.optional(), eventDays: days.optional() })
    .optional()
    .describe('after how many days raw requests, contents (addresses, texts) and events are gone'),
  doubleOptIn: z
    .strictObject({ answerDays: z.number().int().min(1).max(ANSWER_DAYS_MAX).optional() })
    .optional()
    .describe('for how many days after it was asked the question of a double opt-in can be answered'),
  answers: z
    .strictObject({
      program: z
        .string()
        .max(ANSWER_PROGRAM_MAX)
        .optional()
        .describe('the name by which recipients know you; it stands in each answer'),
      contact: z
        .string()
        .max(ANSWER_CONTACT_MAX)
        .optional()
        .describe('number, mail address or URL for help; it stands in each answer'),
      optOutText: answerText.describe(
        'the confirmation of an opt-out; absent: the usual one; no advertising',
      ),
      helpText: answerText.describe('the answer to HELP; absent: the usual one'),
    })
    .optional()
    .describe('what a rule with `answers` and no text of its own says; nothing is sent without such a rule'),
  replacedHours: z
    .array(placeHours)
    .max(PLACES_MAX)
    .optional()
    .describe("hours in place of the law's table; only operators set them"),
};
const putPolicy = z.strictObject({
  expectedVersion: z.number().int().min(0).max(4_294_967_295).describe('the version that it replaces'),
  ...rules,
});
const policy = z.object({
  version: z.number().describe('0: nothing was set'),
  ...rules,
  changedAt: time.nullable(),
  changedBy: z.string().nullable(),
});
const policyPut = policy.extend({ pending });

/** The sending rules of a tenant. */
@Controller()
export class PoliciesController {
  constructor(
    private readonly compliance: ComplianceClient,
    private readonly putPolicy: PutPolicy,
  ) {}

  @Route({
    method: 'GET',
    path: PATH,
    tag: 'Policies',
    summary: 'The rules in force: quiet hours, caps, keywords, replaced hours',
    access: { principal: 'tenant', scope: 'policies:read' },
    status: 200,
    response: policy,
  })
  async get(@CallOf() { tenant }: Call) {
    return this.inForce(tenant.id);
  }

  @Route({
    method: 'PUT',
    path: PATH,
    tag: 'Policies',
    summary: 'Replace the rules; the next send is decided, and the next message read, by them',
    access: { principal: 'tenant', scope: 'policies:write' },
    body: putPolicy,
    status: 200,
    changesConfiguration: true,
    response: policyPut,
    errors: ['limit.reached', 'policy.conflict'],
  })
  async put(@CallOf() call: Call<z.infer<typeof putPolicy>>) {
    const { tenant, principal } = call;
    const { expectedVersion, ...wanted } = call.body;
    const change = await this.putPolicy.run(actorOf(call), {
      ...{ ...askedBy(call), expectedVersion },
      policyJson: JSON.stringify(wanted),
      isOperator: principal.kind === 'operator',
    });
    return applied(200, await this.inForce(tenant.id), change);
  }

  private async inForce(tenantId: string): Promise<z.infer<typeof policy>> {
    const answer = await this.compliance.policies.getPolicy({ tenantId }, this.compliance.call);
    return {
      version: answer.version,
      ...(JSON.parse(answer.policyJson) as object),
      changedAt: timeOf(answer.createdAtMs),
      changedBy: textOf(answer.actorId),
    };
  }
}
