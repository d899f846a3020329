import type { ActiveRun, WaitingApproval } from '../generated/protocol';

/** Whether something in a session, or in one of its subagents, waits for the person's decision. */
export function isAsking(sessionKey: string, waiting: WaitingApproval[], active: ActiveRun[]): boolean {
  const runs = new Map(active.map((run) => [run.runId, run]));
  return waiting.some(({ request }) => {
    if (request.sessionKey === sessionKey) return true;
    const seen = new Set<string>();
    let run = request.runId ? runs.get(request.runId) : undefined;
    while (run && !seen.has(run.runId)) {
      if (run.sessionKey === sessionKey) return true;
      seen.add(run.runId);
      run = run.parent ? runs.get(run.parent) : undefined;
    }
    return false;
  });
}
