#!/usr/bin/env python3
"""Measure any kubelet, by node name, through the Kubernetes API server.

Needs Python >= 3.9, aiohttp and PyYAML. Knows nothing of the kubelet's make: it creates pods with
spec.nodeName set, follows them with one watch, and reads /proc for the process trees it is given.

Phases (choose with --phases, default all):
  lat    N pods one after another: POST -> Running/Succeeded event seen, and DELETE -> gone
  burst  N pods at once: first POST -> last Succeeded; pods/s; CPU per pod
  long   N long-running pods: first POST -> last Running; POST -> Ready; memory and CPU; idle CPU;
         DELETE -> gone one by one (some), then all the rest at once
  logs   GET .../log of one finished hello pod through the API server

Times are taken in this process with one clock (perf_counter): before the POST is sent, and when the
watch event is read. --bare CMD is timed (posix_spawn -> exit) before and after every phase, so that
each figure can be given as a ratio to the bare engine on the same machine in the same run.

Process trees: --pid (roots; descendants included), --match REGEX (any process whose command line
matches, with descendants: shims that daemonize). CPU of daemonized children that have died is only
seen through --cpuacct (cgroup v1 cpuacct dirs or v2 dirs with cpu.stat) and the machine-wide figure.
"""

import argparse
import asyncio
import base64
import json
import os
import re
import shlex
import ssl
import statistics
import sys
import tempfile
import time
import uuid

import aiohttp
import yaml

HZ = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
now = time.perf_counter


def pct(xs, p):
    xs = sorted(xs)
    if not xs:
        return None
    k = (len(xs) - 1) * p / 100
    lo = int(k)
    hi = min(lo + 1, len(xs) - 1)
    return xs[lo] + (xs[hi] - xs[lo]) * (k - lo)


def summary_ms(xs):
    if not xs:
        return None
    return {
        "n": len(xs),
        "min": round(min(xs) * 1e3, 2),
        "p50": round(pct(xs, 50) * 1e3, 2),
        "p90": round(pct(xs, 90) * 1e3, 2),
        "p99": round(pct(xs, 99) * 1e3, 2),
        "max": round(max(xs) * 1e3, 2),
    }


# ---------------------------------------------------------------- /proc
class Procs:
    def __init__(self, pids, match, cpuacct):
        self.roots = list(pids)
        self.match = re.compile(match) if match else None
        self.cpuacct = cpuacct

    def tree(self):
        kids, cmd = {}, {}
        me = os.getpid()
        for d in os.listdir("/proc"):
            if not d.isdigit():
                continue
            try:
                s = open(f"/proc/{d}/stat").read()
                pp = int(s[s.rindex(")") + 2 :].split()[1])
                kids.setdefault(pp, []).append(int(d))
                if self.match:
                    c = (
                        open(f"/proc/{d}/cmdline", "rb")
                        .read()
                        .replace(b"\0", b" ")
                        .decode("utf8", "replace")
                    )
                    e = ""
                    try:
                        e = os.readlink(f"/proc/{d}/exe")
                    except OSError:
                        pass
                    if int(d) != me and (self.match.search(c) or self.match.search(e)):
                        cmd[int(d)] = c
            except (OSError, ValueError):
                continue
        out, todo = set(), self.roots + list(cmd)
        while todo:
            p = todo.pop()
            if p in out or not os.path.exists(f"/proc/{p}"):
                continue
            out.add(p)
            todo += kids.get(p, [])
        return out

    def cpu(self):
        """CPU seconds of the tree, reaped children included; cgroups; the whole machine."""
        t = 0
        for p in self.tree():
            try:
                s = open(f"/proc/{p}/stat").read()
                f = s[s.rindex(")") + 2 :].split()
                t += sum(int(x) for x in f[11:15])
            except OSError:
                pass
        cg = 0.0
        for d in self.cpuacct:
            try:
                if os.path.exists(d + "/cpuacct.usage"):
                    cg += int(open(d + "/cpuacct.usage").read()) / 1e9
                else:
                    cg += int(open(d + "/cpu.stat").readline().split()[1]) / 1e6
            except OSError:
                pass
        f = [int(x) for x in open("/proc/stat").readline().split()[1:]]
        busy = (sum(f[:8]) - f[3] - f[4]) / HZ
        return {"tree": t / HZ, "cgroups": cg, "machine": busy}

    def mem(self):
        """kB. rss, pss, private (dirty+clean) of the tree; MemAvailable."""
        r = {"procs": 0, "threads": 0, "rss": 0, "pss": 0, "private": 0}
        for p in self.tree():
            try:
                d = {}
                for l in open(f"/proc/{p}/smaps_rollup"):
                    a = l.split()
                    if a[0].endswith(":") and len(a) > 1 and a[1].isdigit():
                        d[a[0][:-1]] = int(a[1])
                r["rss"] += d.get("Rss", 0)
                r["pss"] += d.get("Pss", 0)
                r["private"] += d.get("Private_Dirty", 0) + d.get("Private_Clean", 0)
                r["procs"] += 1
                r["threads"] += len(os.listdir(f"/proc/{p}/task"))
            except OSError:
                pass
        for l in open("/proc/meminfo"):
            a = l.split()
            if a[0] in ("MemAvailable:", "SUnreclaim:"):
                r[a[0][:-1]] = int(a[1])
        return r


def dcpu(a, b):
    return {k: round(b[k] - a[k], 3) for k in a}


# ---------------------------------------------------------------- API
class Api:
    def __init__(self, kubeconfig):
        kc = yaml.safe_load(open(kubeconfig))
        ctx = next(c["context"] for c in kc["contexts"] if c["name"] == kc.get("current-context"))
        cl = next(c["cluster"] for c in kc["clusters"] if c["name"] == ctx["cluster"])
        us = next(u["user"] for u in kc["users"] if u["name"] == ctx["user"])
        self.base = cl["server"].rstrip("/")
        self.headers = {}
        ca = cl.get("certificate-authority")
        data = cl.get("certificate-authority-data")
        self.ssl = ssl.create_default_context(
            cafile=ca, cadata=base64.b64decode(data).decode() if data else None
        )
        if cl.get("insecure-skip-tls-verify"):
            self.ssl.check_hostname = False
            self.ssl.verify_mode = ssl.CERT_NONE

        def path(k):
            if us.get(k):
                return us[k]
            if us.get(k + "-data"):
                f = tempfile.NamedTemporaryFile(delete=False)
                f.write(base64.b64decode(us[k + "-data"]))
                f.close()
                return f.name

        if path("client-certificate"):
            self.ssl.load_cert_chain(path("client-certificate"), path("client-key"))
        if us.get("token"):
            self.headers["Authorization"] = "Bearer " + us["token"]

    async def __aenter__(self):
        self.s = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.ssl, limit=0),
            headers=self.headers,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *a):
        await self.s.close()

    async def req(self, m, path, body=None, ok=(200, 201, 202)):
        async with self.s.request(m, self.base + path, json=body) as r:
            t = await r.text()
            if r.status not in ok:
                raise RuntimeError(f"{m} {path}: {r.status} {t[:400]}")
            try:
                return json.loads(t)
            except ValueError:
                return t


class Watch:
    """First time each pod was seen in each phase; when it was seen gone."""

    def __init__(self, api, ns, label):
        self.api, self.ns, self.label = api, ns, label
        self.seen = {}  # name -> {state: t}
        self.last = {}  # name -> status
        self.cond = asyncio.Condition()

    async def start(self):
        q = f"/api/v1/namespaces/{self.ns}/pods?labelSelector={self.label}"
        l = await self.api.req("GET", q)
        self.rv = l["metadata"]["resourceVersion"]
        self.task = asyncio.create_task(self.run(q))

    async def run(self, q):
        while True:
            try:
                async with self.api.s.get(
                    f"{self.api.base}{q}&watch=1&resourceVersion={self.rv}"
                ) as r:
                    buf = b""
                    async for ch in r.content.iter_any():
                        t = now()
                        buf += ch
                        *lines, buf = buf.split(b"\n")
                        for l in lines:
                            if l:
                                self.event(json.loads(l), t)
                        async with self.cond:
                            self.cond.notify_all()
            except aiohttp.ClientError as e:
                print("watch:", e, file=sys.stderr)

    def event(self, e, t):
        o = e["object"]
        if e["type"] == "ERROR":
            raise RuntimeError(o)
        self.rv = o["metadata"]["resourceVersion"]
        n = o["metadata"]["name"]
        d = self.seen.setdefault(n, {})
        st = o.get("status", {})
        self.last[n] = st
        if e["type"] == "DELETED":
            d.setdefault("Gone", t)
            return
        ph = st.get("phase", "")
        if ph:
            d.setdefault(ph, t)
        if ph in ("Succeeded", "Failed"):
            d.setdefault("Done", t)
        for c in st.get("containerStatuses") or []:
            for k in c.get("state") or {}:
                d.setdefault("c-" + k, t)
        for c in st.get("conditions") or []:
            if c["type"] == "Ready" and c["status"] == "True":
                d.setdefault("Ready", t)

    async def wait(self, names, state, timeout):
        end = now() + timeout
        names = set(names)
        while True:
            left = {n for n in names if state not in self.seen.get(n, {})}
            if not left:
                return set()
            rest = end - now()
            if rest <= 0:
                return left
            async with self.cond:
                try:
                    await asyncio.wait_for(self.cond.wait(), min(rest, 5))
                except TimeoutError:
                    pass


# ---------------------------------------------------------------- bench
class Bench:
    def __init__(self, a):
        self.a = a
        self.run = "pb" + uuid.uuid4().hex[:6]
        self.out = {
            "args": {k: v for k, v in vars(a).items() if v is not None},
            "run": self.run,
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "bare": [],
            "phases": {},
        }
        self.procs = Procs(a.pid, a.match, a.cpuacct)
        self.post_t = []

    def pod(self, name, image, args):
        a = self.a
        c = {"name": "c", "image": image, "imagePullPolicy": a.pull_policy}
        if args.get("command"):
            c["command"] = args["command"]
        if args.get("args"):
            c["args"] = args["args"]
        if a.resources:
            c["resources"] = json.loads(a.resources)
        spec = {
            "nodeName": a.node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": a.grace,
            "tolerations": json.loads(a.tolerations),
            "containers": [c],
        }
        if a.runtime_class:
            spec["runtimeClassName"] = a.runtime_class
        if a.host_network:
            spec["hostNetwork"] = True
        if a.extra_spec:
            spec.update(json.loads(a.extra_spec))
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"podbench": self.run}},
            "spec": spec,
        }

    async def create(self, name, image, args):
        t = now()
        await self.api.req(
            "POST", f"/api/v1/namespaces/{self.a.namespace}/pods", self.pod(name, image, args)
        )
        self.post_t.append(now() - t)
        return t

    async def delete(self, name):
        t = now()
        try:
            await self.api.req(
                "DELETE", f"/api/v1/namespaces/{self.a.namespace}/pods/{name}", ok=(200, 202, 404)
            )
        except RuntimeError as e:
            print(e, file=sys.stderr)
        return t

    def bare(self, tag):
        if not self.a.bare:
            return
        argv = shlex.split(self.a.bare)
        xs = []
        for _ in range(self.a.bare_n):
            t = now()
            p = os.posix_spawnp(
                argv[0],
                argv,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                ],
            )
            _, st = os.waitpid(p, 0)
            xs.append(now() - t)
        s = summary_ms(xs)
        s["at"] = tag
        s["exit"] = os.waitstatus_to_exitcode(st)
        self.out["bare"].append(s)

    async def gone(self, names, timeout):
        left = await self.w.wait(names, "Gone", timeout)
        for n in left:  # the kubelet did not finish the delete: take the objects away by force
            await self.api.req(
                "DELETE",
                f"/api/v1/namespaces/{self.a.namespace}/pods/{n}",
                {"gracePeriodSeconds": 0, "kind": "DeleteOptions", "apiVersion": "v1"},
                ok=(200, 404),
            )
        return len(left)

    async def hello(self, name):
        a = self.a
        return await self.create(name, a.hello, {"command": a.hello_command, "args": a.hello_args})

    def outcome(self, names):
        r = {"Succeeded": 0, "Failed": 0, "other": 0}
        bad = None
        for n in names:
            d = self.w.seen.get(n, {})
            k = "Succeeded" if "Succeeded" in d else "Failed" if "Failed" in d else "other"
            r[k] += 1
            if k != "Succeeded" and bad is None:
                bad = self.w.last.get(n)
        if bad:
            r["example"] = json.dumps(bad)[:600]
        return r

    async def lat(self):
        a = self.a
        for i in range(a.warm):
            n = f"{self.run}-w{i}"
            await self.hello(n)
            await self.w.wait([n], "Done", a.timeout)
            await self.delete(n)
            await self.gone([n], a.timeout)
        done, running, dele, names = [], [], [], []
        c0, m0 = self.procs.cpu(), self.procs.mem()
        forced = 0
        for i in range(a.n_lat):
            n = f"{self.run}-l{i}"
            names.append(n)
            t = await self.hello(n)
            await self.w.wait([n], "Done", a.timeout)
            d = self.w.seen.get(n, {})
            if "Succeeded" in d:
                done.append(d["Succeeded"] - t)
            if "c-running" in d:
                running.append(d["c-running"] - t)
            td = await self.delete(n)
            f = await self.gone([n], a.timeout)
            forced += f
            if not f:
                dele.append(self.w.seen[n]["Gone"] - td)
            await asyncio.sleep(a.gap)
        c1, m1 = self.procs.cpu(), self.procs.mem()
        return {
            "create_to_succeeded_ms": summary_ms(done),
            "create_to_running_ms": summary_ms(running),
            "delete_finished_to_gone_ms": summary_ms(dele),
            "delete_forced": forced,
            "outcome": self.outcome(names),
            "cpu_s": dcpu(c0, c1),
            "cpu_ms_per_pod": {k: round(v / a.n_lat * 1e3, 2) for k, v in dcpu(c0, c1).items()},
            "mem_before_kb": m0,
            "mem_after_kb": m1,
        }

    async def many(self, names, fn):
        sem = asyncio.Semaphore(self.a.concurrency)

        async def one(n):
            async with sem:
                return n, await fn(n)

        return dict(await asyncio.gather(*(one(n) for n in names)))

    async def burst(self):
        a, res = self.a, []
        for r in range(a.repeat):
            names = [f"{self.run}-b{r}-{i}" for i in range(a.n_burst)]
            c0, m0 = self.procs.cpu(), self.procs.mem()
            t0 = now()
            ts = await self.many(names, self.hello)
            tposted = now() - t0
            await self.w.wait(names, "Done", a.timeout)
            c1, m1 = self.procs.cpu(), self.procs.mem()
            ok = [n for n in names if "Succeeded" in self.w.seen.get(n, {})]
            last = max((self.w.seen[n]["Succeeded"] for n in ok), default=t0)
            d = {
                "all_posted_s": round(tposted, 3),
                "all_succeeded_s": round(last - t0, 3),
                "pods_per_s": round(len(ok) / max(last - t0, 1e-9), 2),
                "outcome": self.outcome(names),
                "per_pod_ms": summary_ms([self.w.seen[n]["Succeeded"] - ts[n] for n in ok]),
                "cpu_s": dcpu(c0, c1),
                "cpu_ms_per_pod": {
                    k: round(v / a.n_burst * 1e3, 2) for k, v in dcpu(c0, c1).items()
                },
                "mem_before_kb": m0,
                "mem_after_kb": m1,
            }
            t = now()
            await self.many(names, self.delete)
            d["delete_forced"] = await self.gone(names, a.timeout)
            d["delete_all_s"] = round(max(self.w.seen[n].get("Gone", t) for n in names) - t, 3)
            res.append(d)
            await asyncio.sleep(a.settle)
        med = lambda k: statistics.median(x[k] for x in res)
        return {
            "n": a.n_burst,
            "repeats": res,
            "all_succeeded_s": med("all_succeeded_s"),
            "pods_per_s": med("pods_per_s"),
            "cpu_ms_per_pod": {
                k: statistics.median(x["cpu_ms_per_pod"][k] for x in res)
                for k in res[0]["cpu_ms_per_pod"]
            },
        }

    async def long(self):
        a, n = self.a, self.a.n_long
        names = [f"{self.run}-r{i}" for i in range(n)]
        c0, m0 = self.procs.cpu(), self.procs.mem()
        t0 = now()
        ts = await self.many(
            names,
            lambda x: self.create(x, a.long, {"command": a.long_command, "args": a.long_args}),
        )
        await self.w.wait(names, "c-running", a.timeout)
        ok = [x for x in names if "c-running" in self.w.seen.get(x, {})]
        last = max((self.w.seen[x]["c-running"] for x in ok), default=t0)
        await asyncio.sleep(a.settle)
        c1, m1 = self.procs.cpu(), self.procs.mem()
        await asyncio.sleep(a.idle)
        c2 = self.procs.cpu()
        still = sum(1 for x in ok if "Done" not in self.w.seen[x])
        d = {
            "n": n,
            "running": len(ok),
            "still_running": still,
            "all_running_s": round(last - t0, 3),
            "starts_per_s": round(len(ok) / max(last - t0, 1e-9), 2),
            "per_pod_ms": summary_ms([self.w.seen[x]["c-running"] - ts[x] for x in ok]),
            "create_to_ready_ms": summary_ms(
                [self.w.seen[x]["Ready"] - ts[x] for x in ok if "Ready" in self.w.seen[x]]
            ),
            "cpu_ms_per_pod": {k: round(v / n * 1e3, 2) for k, v in dcpu(c0, c1).items()},
            "idle_cpu_percent_of_core": {
                k: round(v / a.idle * 100, 2) for k, v in dcpu(c1, c2).items()
            },
            "mem_before_kb": m0,
            "mem_after_kb": m1,
            "mem_per_pod_kb": {
                k: round((m1[k] - m0[k]) / n, 1)
                for k in ("rss", "pss", "private", "procs", "threads")
            },
        }
        d["mem_per_pod_kb"]["MemAvailable_drop"] = round(
            (m0["MemAvailable"] - m1["MemAvailable"]) / n, 1
        )
        if len(ok) < n:
            d["example"] = json.dumps(next(self.w.last.get(x) for x in names if x not in ok))[:600]
        one = []
        forced = 0
        for x in ok[: a.n_delete]:
            t = await self.delete(x)
            f = await self.gone([x], a.timeout)
            forced += f
            if not f:
                one.append(self.w.seen[x]["Gone"] - t)
        d["delete_running_to_gone_ms"] = summary_ms(one)
        rest = [x for x in names if "Gone" not in self.w.seen.get(x, {})]
        c3 = self.procs.cpu()
        t = now()
        await self.many(rest, self.delete)
        d["delete_forced"] = forced + await self.gone(rest, a.timeout)
        await self.w.wait(rest, "Gone", 30)
        d["delete_all_n"] = len(rest)
        d["delete_all_s"] = round(
            max((self.w.seen[x].get("Gone", t) for x in rest), default=t) - t, 3
        )
        await asyncio.sleep(a.settle)
        d["delete_cpu_ms_per_pod"] = {
            k: round(v / max(len(rest), 1) * 1e3, 2) for k, v in dcpu(c3, self.procs.cpu()).items()
        }
        d["mem_after_delete_kb"] = self.procs.mem()
        return d

    async def logs(self):
        n = f"{self.run}-g"
        await self.hello(n)
        await self.w.wait([n], "Done", self.a.timeout)
        xs, text = [], None
        for _ in range(20):
            t = now()
            try:
                text = await self.api.req(
                    "GET", f"/api/v1/namespaces/{self.a.namespace}/pods/{n}/log"
                )
                xs.append(now() - t)
            except RuntimeError as e:
                text = str(e)
                break
        await self.delete(n)
        await self.gone([n], self.a.timeout)
        return {"get_ms": summary_ms(xs), "text": str(text)[:200]}

    async def main(self):
        a = self.a
        async with Api(a.kubeconfig) as self.api:
            v = await self.api.req("GET", "/version")
            node = await self.api.req("GET", f"/api/v1/nodes/{a.node}")
            self.out["server"] = v["gitVersion"]
            self.out["node_info"] = node["status"].get("nodeInfo")
            self.out["taints"] = node["spec"].get("taints")
            self.w = Watch(self.api, a.namespace, f"podbench%3D{self.run}")
            await self.w.start()
            self.out["idle_mem_kb"] = self.procs.mem()
            c = self.procs.cpu()
            await asyncio.sleep(a.idle)
            self.out["idle_cpu_percent_of_core"] = {
                k: round(x / a.idle * 100, 2) for k, x in dcpu(c, self.procs.cpu()).items()
            }
            try:
                for ph in a.phases.split(","):
                    self.bare("before " + ph)
                    self.post_t.clear()
                    r = await getattr(self, ph)()
                    r["post_ms"] = summary_ms(self.post_t)
                    self.out["phases"][ph] = r
                    print(ph, json.dumps(r)[:1500], file=sys.stderr, flush=True)
                self.bare("end")
            finally:
                await self.api.req(
                    "DELETE",
                    f"/api/v1/namespaces/{a.namespace}/pods?labelSelector=podbench%3D{self.run}"
                    "&gracePeriodSeconds=0",
                )
                self.w.task.cancel()
        if self.out["bare"]:
            b = statistics.median(x["p50"] for x in self.out["bare"])
            self.out["bare_p50_ms"] = b
            ph = self.out["phases"]
            ra = {}
            if ph.get("lat", {}).get("create_to_succeeded_ms"):
                ra["latency_p50"] = round(ph["lat"]["create_to_succeeded_ms"]["p50"] / b, 2)
                ra["latency_p99"] = round(ph["lat"]["create_to_succeeded_ms"]["p99"] / b, 2)
            if ph.get("burst"):
                ra["burst_s_per_pod"] = round(
                    ph["burst"]["all_succeeded_s"] / a.n_burst * 1e3 / b, 2
                )
            if ph.get("long"):
                ra["long_start_s_per_pod"] = round(
                    ph["long"]["all_running_s"] / a.n_long * 1e3 / b, 2
                )
            self.out["ratio_to_bare"] = ra
        self.out["name"] = a.name
        if a.out:
            json.dump(self.out, open(a.out, "w"), indent=1)
        print(
            json.dumps(
                {
                    k: self.out[k]
                    for k in self.out
                    if k
                    in (
                        "name",
                        "bare_p50_ms",
                        "ratio_to_bare",
                        "idle_mem_kb",
                        "idle_cpu_percent_of_core",
                    )
                },
                indent=1,
            )
        )


def parse():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--name", default="kubelet")
    p.add_argument("--kubeconfig", required=True)
    p.add_argument("--node", required=True)
    p.add_argument("--namespace", default="default")
    p.add_argument("--hello", required=True, help="image that prints and exits 0")
    p.add_argument("--hello-command", nargs="*")
    p.add_argument("--hello-args", nargs="*")
    p.add_argument("--long", help="image that runs until it is killed")
    p.add_argument("--long-command", nargs="*")
    p.add_argument("--long-args", nargs="*")
    p.add_argument("--pull-policy", default="IfNotPresent")
    p.add_argument("--tolerations", default='[{"operator":"Exists"}]')
    p.add_argument("--runtime-class")
    p.add_argument("--host-network", action="store_true")
    p.add_argument("--resources", help="JSON of the container's resources")
    p.add_argument("--extra-spec", help="JSON merged into the pod's spec")
    p.add_argument("--grace", type=int, default=30)
    p.add_argument("--pid", type=lambda s: [int(x) for x in s.split(",")], default=[])
    p.add_argument("--match")
    p.add_argument("--cpuacct", type=lambda s: s.split(","), default=[])
    p.add_argument("--phases", default="lat,burst,long,logs")
    p.add_argument("--n-lat", type=int, default=30)
    p.add_argument("--n-burst", type=int, default=100)
    p.add_argument("--n-long", type=int, default=100)
    p.add_argument("--n-delete", type=int, default=10, help="long pods deleted one by one")
    p.add_argument("--repeat", type=int, default=3, help="bursts")
    p.add_argument("--warm", type=int, default=3)
    p.add_argument("--gap", type=float, default=0.1)
    p.add_argument("--settle", type=float, default=3)
    p.add_argument("--idle", type=float, default=10)
    p.add_argument("--concurrency", type=int, default=32)
    p.add_argument("--timeout", type=float, default=180)
    p.add_argument("--bare", help="command timed as the bare engine")
    p.add_argument("--bare-n", type=int, default=30)
    p.add_argument("--out")
    return p.parse_args()


if __name__ == "__main__":
    asyncio.run(Bench(parse()).main())
