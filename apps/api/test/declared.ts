import { type z } from 'zod';
import { ROUTES } from '../src/transport/controllers.js';
import { type RouteOptions } from '../src/transport/route.js';
import { type Answer, type Caller } from './harness.js';
import { SAMPLES } from './samples.js';

const JSON_LINES = { 'content-type': 'application/x-ndjson' };

/** Calls operations as the documents declare them, and holds their answers against that. */
export class Declared {
  /** Operations whose success was seen, as `METHOD path`. */
  readonly seen = new Set<string>();

  constructor(private readonly tenantSlug: () => string) {}

  /** Calls an operation. @param path as it is declared, filled from `params` and the tenant. */
  async checked(
    by: Caller,
    method: string,
    path: string,
    params: Record<string, string> = {},
    body?: unknown,
    query = '',
  ): Promise<Answer> {
    const answer = await by(method, this.fill(path, params) + query, body === undefined ? {} : { body });
    return this.expectAsDeclared(method, path, answer);
  }

  /** The same with the operation's sample. */
  async sampled(
    by: Caller,
    method: string,
    path: string,
    params: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { params: own, body, raw, query = '' } = SAMPLES[`${method} ${path}`] ?? {};
    const answer = await by(method, this.fill(path, { ...own, ...params }) + query, {
      ...(raw === undefined ? body !== undefined && { body } : { raw }),
      headers: { ...(raw !== undefined && JSON_LINES), ...headers },
    });
    return this.expectAsDeclared(method, path, answer);
  }

  private fill(path: string, params: Record<string, string>): string {
    return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? this.tenantSlug());
  }

  private expectAsDeclared(method: string, path: string, answer: Answer): Answer {
    const route = routeOf(method, path);
    expect({ path, status: answer.status, body: answer.body }).toMatchObject({ status: route.status });
    if (route.download !== undefined) expect(answer.headers.get('content-type')).toMatch(/ndjson|csv/);
    else if (route.hasBytes === true)
      expect(answer.headers.get('content-disposition')).toMatch(/^attachment/);
    else if (route.response === undefined) expect(answer.body).toBe('');
    else expect((route.response as z.ZodType).parse(answer.body)).toEqual(answer.body);
    this.seen.add(`${method} ${path}`);
    return answer;
  }
}

const routeOf = (method: string, path: string): RouteOptions =>
  ROUTES.find((route) => route.method === method && route.path === path)!;
