import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { TakeUnsubscribe } from '../application/take-unsubscribe.js';
import { arrivedOf } from './intake-route.js';
import { askPage, donePage, PAGE_HEADERS } from './unsubscribe-page.js';

const NO_BODY = Buffer.alloc(0);
/** A wildcard, not a parameter: too long a parameter would get another answer than a token that is wrong. */
const PATH = '/u/*';
const WILDCARD = '*';

/** Where the link of a mail leads: mail programs post to it, people see a page with a form that does the same. */
@Controller()
export class UnsubscribeController {
  constructor(private readonly takeUnsubscribe: TakeUnsubscribe) {}

  @Get(PATH)
  get(@Req() { params }: FastifyRequest, @Res() reply: FastifyReply): void {
    this.takeUnsubscribe.check(tokenIn(params));
    void reply.headers(PAGE_HEADERS).send(askPage);
  }

  @Post(PATH)
  async post(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { params, raw, body } = request;
    const arrived = arrivedOf(raw, (body as Buffer | undefined) ?? NO_BODY);
    await this.takeUnsubscribe.run(tokenIn(params), arrived);
    void reply.code(200).headers(PAGE_HEADERS).send(donePage);
  }
}

const tokenIn = (params: unknown): string => (params as Readonly<Record<string, string>>)[WILDCARD]!;
