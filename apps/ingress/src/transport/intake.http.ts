import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type TLSSocket } from 'node:tls';
import { TakeRequest } from '../application/take-request.js';
import { clientCertificateOf } from './native-tls.js';

const REQUEST_ID_HEADER = 'posthorn-request-id';
const PATH = '/in/:tenant/:source';
/** Version 00 has 55 characters; what is far longer is not one that we hand on. */
const TRACEPARENT_LENGTH_MAX = 100;
const NO_BODY = Buffer.alloc(0);

/** The front door of providers. */
@Controller()
export class IntakeController {
  constructor(private readonly takeRequest: TakeRequest) {}

  @Post(PATH)
  post(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.take(request, reply);
  }

  /** Challenges of providers that verify an endpoint by GET, and those that deliver by it. */
  @Get(PATH)
  get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.take(request, reply);
  }

  private async take({ raw, params, body }: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { tenant, source } = params as { tenant: string; source: string };
    const traceparent = raw.headers['traceparent'];
    const isEncrypted = (raw.socket as TLSSocket).encrypted === true;
    const answer = await this.takeRequest.run(tenant, source, {
      method: raw.method!,
      target: raw.url!,
      rawHeaders: raw.rawHeaders,
      host: raw.headers.host ?? '',
      traceparent:
        typeof traceparent === 'string' && traceparent.length <= TRACEPARENT_LENGTH_MAX
          ? traceparent
          : undefined,
      remoteAddress: raw.socket.remoteAddress ?? '',
      isEncrypted,
      clientCertificate: isEncrypted ? clientCertificateOf(raw.socket) : undefined,
      body: (body as Buffer | undefined) ?? NO_BODY,
    });
    void reply.header(REQUEST_ID_HEADER, answer.requestId);
    if (answer.contentType !== undefined) void reply.header('content-type', answer.contentType);
    void reply.code(answer.status).send(answer.body);
  }
}
