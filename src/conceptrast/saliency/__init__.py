"""Saliency: where in a picture a model looks, by class activation maps and by factorization of what it sees there.

``method:`` of a class activation map is a key of ``METHODS``; each is a class of the grad-cam package. Adding one is a
line here.
"""

METHODS = {
    "ablation_cam": "pytorch_grad_cam:AblationCAM",
    "eigen_cam": "pytorch_grad_cam:EigenCAM",
    "eigen_grad_cam": "pytorch_grad_cam:EigenGradCAM",
    "fem": "pytorch_grad_cam:FEM",
    "grad_cam": "pytorch_grad_cam:GradCAM",
    "grad_cam_elementwise": "pytorch_grad_cam:GradCAMElementWise",
    "grad_cam_plus_plus": "pytorch_grad_cam:GradCAMPlusPlus",
    "hires_cam": "pytorch_grad_cam:HiResCAM",
    "kpca_cam": "pytorch_grad_cam:KPCA_CAM",
    "layer_cam": "pytorch_grad_cam:LayerCAM",
    "score_cam": "pytorch_grad_cam:ScoreCAM",
    "shapley_cam": "pytorch_grad_cam:ShapleyCAM",
    "xgrad_cam": "pytorch_grad_cam:XGradCAM",
}
