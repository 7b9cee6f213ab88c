"""``ray start`` without the server of Ray Client, which no option leaves out and no sweep uses.

It binds its port last, on a busy node half a minute after that was found free. Where another job
has taken the port meanwhile, the server ends, and all of the node's Ray with it.
"""

from __future__ import annotations

from ray._private.node import Node
from ray.scripts.scripts import main

if __name__ == "__main__":
    Node.start_ray_client_server = lambda self: None
    main()
