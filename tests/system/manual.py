"""The commands that a manual page gives its reader to type."""

import html
import re
import subprocess

from basics import TOP, needs


def displays(page):
    """{heading: [text]} of all literal displays on a page of smtpd/, as a reader sees them."""
    needs("mandoc")
    done = subprocess.run(["mandoc", "-Thtml", TOP / "smtpd" / page], stdout=subprocess.PIPE, text=True, check=True)
    found, heading = {}, None
    for title, display in re.findall(r'<h[12] class="S[hs]"[^>]*>(.*?)</h[12]>|<pre>(.*?)</pre>', done.stdout, re.S):
        if title:
            heading = " ".join(html.unescape(re.sub("<.*?>", "", title)).split())
        else:
            found.setdefault(heading, []).append(html.unescape(re.sub("<.*?>", "", display)))
    return found
