import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type TLSSocket } from 'node:tls';
import { AppError } from '@posthorn/errors/app-error.js';
import { writeProblem } from '@posthorn/server/http-service.js';
import { type AdmitRequest } from '../application/admit-request.js';
import { type IntakeAnswer, type TakeRequest } from '../application/take-request.js';
import { ProviderRefusal } from '../domain/provider-refusal.js';
import { clientCertificateOf } from './native-tls.js';

/** Sources may allow less, never more. */
export const INTAKE_BODY_BYTES_MAX = 1_048_576;
const REQUEST_ID_HEADER = 'posthorn-request-id';
/** Tenant and source, as they stand in the target. */
const PATH = /^\/in\/([^/?]+)\/([^/?]+)(?:\?|$)/;
const METHODS = 'GET, POST';
const NO_CONTENT = 204;
/** Version 00 has 55 characters; what is far longer is not one that we hand on. */
const TRACEPARENT_LENGTH_MAX = 100;

/** What the route needs; its errors become answers. */
export interface IntakeRouteParts {
  readonly admission: Pick<AdmitRequest, 'refusalOf'>;
  readonly intake: Pick<TakeRequest, 'run'>;
  /** @returns what may be known outside of an error. */
  readonly outside: (error: unknown, where: string) => AppError;
}

/**
 * The front door of providers: `/in/{tenant}/{source}`, POST for events, GET for the challenges of providers that verify
 * an endpoint and those that deliver by it.
 * Why on Node's own server and not through Fastify and Nest: nothing of what these do is needed here (bytes come in,
 * a few bytes go out), and they took a fifth of what intake costs this process.
 */
export class IntakeRoute {
  constructor(private readonly parts: IntakeRouteParts) {}

  /** @returns whether the request is for a source; it is answered here then. */
  takes(request: IncomingMessage, response: ServerResponse): boolean {
    const address = addressOf(request.url!);
    if (address === undefined) return false;
    const refusal = this.parts.admission.refusalOf(...address);
    if (refusal === undefined) this.read(request, response, address);
    else writeProblem(response, refusal);
    return true;
  }

  private read(request: IncomingMessage, response: ServerResponse, address: readonly [string, string]): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= INTAKE_BODY_BYTES_MAX) return void chunks.push(chunk);
      request.off('data', take).off('end', end);
      tooLarge(response);
    };
    const end = (): void => {
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
      void this.answer(request, response, address, body);
    };
    if (Number(request.headers['content-length'] ?? 0) > INTAKE_BODY_BYTES_MAX) return tooLarge(response);
    // Whoever leaves in the middle of a body gets no answer, and nothing happened.
    request.on('data', take).on('end', end).on('error', ignore);
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    [slug, sourceId]: readonly [string, string],
    body: Buffer,
  ): Promise<void> {
    let requestId: string | undefined;
    try {
      const answer = await this.parts.intake.run(slug, sourceId, arrivedOf(request, body), (id) => {
        requestId = id;
      });
      writeAnswer(response, answer);
    } catch (error) {
      // By it the sender's people and ours find the refusal in the log.
      if (requestId !== undefined) response.setHeader(REQUEST_ID_HEADER, requestId);
      const known = this.parts.outside(error, `${request.method} /in`);
      if (known.code === 'request.method_not_allowed') response.setHeader('allow', METHODS);
      const wanted = known instanceof ProviderRefusal ? known.wanted : undefined;
      if (wanted !== undefined) response.setHeader('www-authenticate', wanted);
      writeProblem(response, known);
    }
  }
}

/** Undefined: not the path of a source. */
function addressOf(target: string): [slug: string, sourceId: string] | undefined {
  const [, slug, sourceId] = PATH.exec(target) ?? [];
  if (slug === undefined || sourceId === undefined) return undefined;
  if (!slug.includes('%') && !sourceId.includes('%')) return [slug, sourceId];
  try {
    return [decodeURIComponent(slug), decodeURIComponent(sourceId)];
  } catch {
    return undefined;
  }
}

/** A request as Node read it. */
export function arrivedOf({ method, url, rawHeaders, headers, socket }: IncomingMessage, body: Buffer) {
  const traceparent = headers['traceparent'];
  const isEncrypted = (socket as TLSSocket).encrypted === true;
  return {
    method: method!,
    target: url!,
    rawHeaders,
    host: headers.host ?? '',
    traceparent:
      typeof traceparent === 'string' && traceparent.length <= TRACEPARENT_LENGTH_MAX
        ? traceparent
        : undefined,
    remoteAddress: socket.remoteAddress ?? '',
    isEncrypted,
    clientCertificate: isEncrypted ? clientCertificateOf(socket) : undefined,
    body,
  };
}

function writeAnswer(response: ServerResponse, answer: IntakeAnswer): void {
  const { status, contentType, body = '', requestId } = answer;
  const headers = [REQUEST_ID_HEADER, requestId];
  if (contentType !== undefined) headers.push('content-type', contentType);
  if (status !== NO_CONTENT) headers.push('content-length', String(Buffer.byteLength(body)));
  response.writeHead(status, headers).end(body);
}

/** The rest of the body is not read: the connection ends. */
function tooLarge(response: ServerResponse): void {
  response.setHeader('connection', 'close');
  writeProblem(response, new AppError('request.too_large'));
}

const ignore = (): void => {};
